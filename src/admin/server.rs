//! The admin listener: a hyper server on the `control` thread.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::access::{Access, Denied};
use super::observed::Observed;
use super::{exposition, metrics, readiness};
use crate::config::Secret;
use crate::reply::ReplyBody;
use crate::routes::ForgetError;

/// The admin address could not be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve the admin address {address}: {cause}; change `admin` or stop what has the port")]
pub(crate) struct AdminError {
    address: SocketAddr,
    #[source]
    cause: io::Error,
}

/// The running admin listener. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A client that sends no whole head for so long is dropped.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Before the next try after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

impl Admin {
    /// Binds the address and starts the `control` thread.
    pub(crate) fn start(address: SocketAddr, token: Option<Secret>, observed: Observed) -> Result<Self, AdminError> {
        let failed = |cause| AdminError { address, cause };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || {
                LocalSet::new().block_on(&runtime, async move {
                    let service = Rc::new(Service { access: Access::new(token), observed });
                    tokio::select! {
                        () = service.accept(listener) => {}
                        _ = stopped => {}
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Service {
    access: Access,
    observed: Observed,
}

impl Service {
    async fn accept(self: Rc<Self>, listener: std::net::TcpListener) {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the admin listener does not run"),
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::task::spawn_local(Rc::clone(&self).serve(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection; trying again");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, stream: tokio::net::TcpStream) {
        let service = service_fn(|request| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        // A connection that ends badly is its client's affair.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    fn answer(&self, request: &http::Request<Incoming>) -> Response<ReplyBody> {
        // Balancers and supervisors ask without a token; the answer says one word.
        if request.method() == Method::GET && request.uri().path() == "/healthz" {
            return answer(StatusCode::OK, TEXT, "ok\n");
        }
        match self.access.check(request.headers()) {
            Ok(()) => self.route(request.method(), request.uri().path()),
            Err(Denied::Host) => answer(
                StatusCode::FORBIDDEN,
                TEXT,
                "ask for this address by number or as localhost, or configure admin_token\n",
            ),
            Err(Denied::Origin) => answer(StatusCode::FORBIDDEN, TEXT, "this is not for web pages\n"),
            Err(Denied::Token) => {
                answer(StatusCode::UNAUTHORIZED, TEXT, "Authorization: Bearer with the admin_token is needed\n")
            }
        }
    }

    fn route(&self, method: &Method, path: &str) -> Response<ReplyBody> {
        let mut segments = path.trim_start_matches('/').split('/');
        match (method.as_str(), segments.next(), segments.next(), segments.next(), segments.next()) {
            ("GET", Some("readyz"), None, ..) => {
                let (status, body) = readiness::report(&self.observed);
                answer(status, JSON, body)
            }
            ("GET", Some("metrics"), None, ..) => {
                answer(StatusCode::OK, exposition::CONTENT_TYPE, metrics::page(&self.observed))
            }
            ("GET", Some("routes"), None, ..) => answer(StatusCode::OK, JSON, readiness::routes(&self.observed)),
            ("POST", Some("routes"), Some(name), Some("pause"), None) => {
                switched(name, "paused", self.observed.routes.pause(name))
            }
            ("POST", Some("routes"), Some(name), Some("resume"), None) => {
                switched(name, "resumed", self.observed.routes.resume(name))
            }
            ("POST", Some("routes"), Some(name), Some("forget"), None) => {
                forgotten(name, self.observed.routes.forget(name))
            }
            (_, Some("readyz" | "metrics" | "routes" | "healthz"), ..) => {
                let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "wrong method\n");
                refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
                refused
            }
            _ => answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "known: GET /healthz /readyz /metrics /routes, POST /routes/NAME/pause /routes/NAME/resume /routes/NAME/forget\n",
            ),
        }
    }
}

fn forgotten(name: &str, forgotten: Result<(), ForgetError>) -> Response<ReplyBody> {
    match forgotten {
        Ok(()) => {
            tracing::info!(route = name, "forgotten by request");
            answer(StatusCode::OK, JSON, serde_json::json!({ "route": name, "state": "forgotten" }).to_string())
        }
        Err(error @ ForgetError::Configured { .. }) => answer(StatusCode::CONFLICT, TEXT, format!("{error}\n")),
        Err(error @ ForgetError::Unknown { .. }) => answer(StatusCode::NOT_FOUND, TEXT, format!("{error}\n")),
    }
}

fn switched(name: &str, what: &str, known: bool) -> Response<ReplyBody> {
    if known {
        tracing::info!(route = name, "{what} by request");
        answer(StatusCode::OK, JSON, serde_json::json!({ "route": name, "state": what }).to_string())
    } else {
        answer(StatusCode::NOT_FOUND, TEXT, format!("no route is called {name}; GET /routes lists them\n"))
    }
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
