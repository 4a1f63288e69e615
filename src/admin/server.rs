//! The admin listener: a hyper server, run by the `control` thread.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Either;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::access::{Access, Denied};
use super::archive::{StoryError, Wanted};
use super::door::{AdminError, Door, Visitor};
use super::follow::{Filter, Lines, follow};
use super::jobs::Job;
use super::observed::Observed;
use super::quarantine::Told;
use super::story::Stories;
use super::{exposition, metrics, polls, quarantine, readiness};
use crate::config::{AdminAddress, AdminConfig, TypePattern};
use crate::listen::Tls;
use crate::reply::ReplyBody;
use crate::routes::ForgetError;
use crate::sniff;

/// The admin listener, bound; it serves as long as somebody polls it.
pub(crate) struct Admin {
    address: AdminAddress,
    door: Door,
    access: Access,
    observed: Observed,
}

/// A whole answer, or one that goes on.
type AnswerBody = Either<ReplyBody, Lines>;

/// Connections at once. Those that follow events or a replay keep theirs.
const CONNECTIONS_MAX: usize = 256;

/// A client that ends no handshake or sends no whole head for so long is dropped.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Before the next try after a failed accept.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Searches of the journal at once: each reads as fast as the disk can.
const SEARCHES_MAX: usize = 2;

/// How long a story waits for the last attempts to be written to their log.
const ATTEMPTS_PATIENCE: Duration = Duration::from_secs(2);

pub(super) const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

impl Admin {
    /// Binds the address.
    pub(crate) fn bind(config: &AdminConfig, observed: Observed) -> Result<Self, AdminError> {
        let (door, address) = Door::bind(config)?;
        Ok(Self { address, door, access: Access::new(config), observed })
    }

    /// Serves, within a `LocalSet`.
    pub(crate) async fn serve(self) {
        let service = Rc::new(Service {
            access: self.access,
            observed: self.observed,
            searches: Semaphore::new(SEARCHES_MAX),
            jobs: Arc::new(Semaphore::new(1)),
        });
        service.accept(self.door).await;
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &AdminAddress {
        &self.address
    }

    /// Its TLS, if it has one: somebody has to read changed certificates again.
    pub(crate) fn tls(&self) -> Option<Arc<Tls>> {
        self.door.tls()
    }
}

struct Service {
    access: Access,
    observed: Observed,
    searches: Semaphore,
    /// Two that hand over the same events would do it twice.
    jobs: Arc<Semaphore>,
}

impl Service {
    async fn accept(self: Rc<Self>, door: Door) {
        let door = match door.open() {
            Ok(door) => door,
            Err(error) => return tracing::error!(%error, "the admin listener does not run"),
        };
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match door.accept().await {
                Ok(visitor) => {
                    let service = Rc::clone(&self);
                    tokio::task::spawn_local(async move {
                        service.serve(visitor).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection; trying again");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    async fn serve(self: Rc<Self>, visitor: Visitor) {
        let Some(stream) = visitor.enter(HEAD_TIMEOUT).await else { return };
        let service = service_fn(|request| {
            let service = Rc::clone(&self);
            async move { Ok::<_, Infallible>(service.answer(&request).await) }
        });
        // A connection that ends badly is its client's affair.
        let _ = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(&self, request: &http::Request<Incoming>) -> Response<AnswerBody> {
        // Balancers and supervisors ask without a token; the answer says one word.
        if request.method() == Method::GET && request.uri().path() == "/healthz" {
            return answer(StatusCode::OK, TEXT, "ok\n");
        }
        match self.access.check(request.headers()) {
            Ok(()) => {
                let query = request.uri().query().unwrap_or_default();
                match (request.method().as_str(), request.uri().path()) {
                    ("GET", "/events") => self.story(query).await,
                    ("GET", "/tail") => self.tail(query),
                    ("POST", path) if path.starts_with("/polls/") => {
                        let (status, kind, body) = polls::command(&self.observed, path, query).await;
                        answer(status, kind, body)
                    }
                    (method, path) if path.starts_with("/quarantine") => self.quarantine(method, path, query).await,
                    (method, path) => match Job::of(path, query).filter(|_| method == "POST") {
                        Some((route, job)) => self.begin(route, job),
                        None => self.route(request.method(), path),
                    },
                }
            }
            Err(Denied::Host) => answer(
                StatusCode::MISDIRECTED_REQUEST,
                TEXT,
                "ask for this address by number or as localhost, or write this name into admin_hosts\n",
            ),
            Err(Denied::Origin) => answer(StatusCode::FORBIDDEN, TEXT, "this is not for web pages\n"),
            Err(Denied::Token) => {
                let said = "Authorization: Bearer with the admin_token is needed\n";
                let mut refused = answer(StatusCode::UNAUTHORIZED, TEXT, said);
                refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
                refused
            }
        }
    }

    fn route(&self, method: &Method, path: &str) -> Response<AnswerBody> {
        let mut segments = path.trim_start_matches('/').split('/');
        match (method.as_str(), segments.next(), segments.next(), segments.next(), segments.next()) {
            ("GET", Some("readyz"), None, ..) => {
                let (status, body) = readiness::report(&self.observed);
                answer(status, JSON, body)
            }
            ("GET", Some("metrics"), None, ..) => {
                answer(StatusCode::OK, exposition::CONTENT_TYPE, metrics::page(&self.observed))
            }
            ("GET", Some("polls"), None, ..) => answer(StatusCode::OK, JSON, readiness::polls(&self.observed)),
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
            (_, Some("readyz" | "metrics" | "routes" | "polls" | "healthz" | "events" | "tail"), ..) => {
                let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "wrong method\n");
                refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
                refused
            }
            _ => answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "known: GET /healthz /readyz /metrics /routes /polls /events?id=ID /tail /quarantine /quarantine/ID, POST /routes/NAME/pause …/resume \
                 …/forget …/replay …/dead/retry …/dead/drop, POST /polls/NAME/run …/reset, POST /quarantine/retry /quarantine/drop\n",
            ),
        }
    }
}

impl Service {
    async fn story(&self, query: &str) -> Response<AnswerBody> {
        let Some(id) = sniff::parameter(query, "id") else {
            return answer(StatusCode::BAD_REQUEST, TEXT, "say which event: /events?id=ID\n");
        };
        let source = sniff::parameter(query, "source");
        let wanted = Wanted { id, source };
        if let Some(unknown) = self.unknown(wanted.source.as_deref(), None) {
            return unknown;
        }
        let Ok(_permit) = self.searches.acquire().await else {
            return answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the gateway is stopping\n");
        };
        let (observed, asked) = (self.observed.clone(), wanted.clone());
        let told = tokio::task::spawn_blocking(move || tell(&observed, &asked)).await;
        match told {
            Ok(Ok(stories)) if stories.events.is_empty() => {
                let said = format!(
                    "no event with the id {:?} is known; it was never taken, or is no longer kept\n",
                    wanted.id
                );
                answer(StatusCode::NOT_FOUND, TEXT, said)
            }
            Ok(Ok(stories)) => answer(StatusCode::OK, JSON, format!("{}\n", serde_json::json!(stories))),
            Ok(Err(error)) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
            Err(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the search broke off\n"),
        }
    }

    fn tail(&self, query: &str) -> Response<AnswerBody> {
        let parameter = |name| sniff::parameter(query, name);
        let since = match parameter("since").map(|seconds| seconds.parse()) {
            None => None,
            Some(Ok(seconds)) => SystemTime::now().checked_sub(Duration::from_secs(seconds)),
            Some(Err(_)) => return answer(StatusCode::BAD_REQUEST, TEXT, "since is a number of seconds\n"),
        };
        let filter = Filter {
            source: parameter("source"),
            event_type: parameter("type").map(|pattern| TypePattern::parse(&pattern)),
            route: parameter("route"),
            since,
        };
        if let Some(unknown) = self.unknown(filter.source.as_deref(), filter.route.as_deref()) {
            return unknown;
        }
        let Some(journal) = &self.observed.journal else {
            let said = "no source is durable: there is no journal to follow\n";
            return answer(StatusCode::NOT_FOUND, TEXT, said);
        };
        let lines = follow(journal, Arc::clone(&self.observed.archive), filter);
        stream(lines)
    }

    async fn quarantine(&self, method: &str, path: &str, query: &str) -> Response<AnswerBody> {
        let Some(quarantine) = &self.observed.quarantine else {
            let said =
                "nothing that is refused is kept: no source is durable and no [quarantine] written, or it is off\n";
            return answer(StatusCode::NOT_FOUND, TEXT, said);
        };
        if let Some(unknown) = self.unknown(sniff::parameter(query, "source").as_deref(), None) {
            return unknown;
        }
        match quarantine::answer(quarantine, method, path, query).await {
            Some(Told::Json(told)) => answer(StatusCode::OK, JSON, format!("{told}\n")),
            Some(Told::Lines(lines)) => stream(lines),
            Some(Told::Refused(status, said)) => answer(status, TEXT, format!("{said}\n")),
            None => answer(
                StatusCode::NOT_FOUND,
                TEXT,
                "known: GET /quarantine /quarantine/ID, POST /quarantine/retry /quarantine/drop\n",
            ),
        }
    }

    fn begin(&self, route: &str, job: Result<Job, String>) -> Response<AnswerBody> {
        let job = match job {
            Ok(job) => job,
            Err(said) => return answer(StatusCode::BAD_REQUEST, TEXT, format!("{said}\n")),
        };
        if let Some(unknown) = self.unknown(job.source(), None).or_else(|| self.unknown(None, Some(route))) {
            return unknown;
        }
        let Ok(permit) = Arc::clone(&self.jobs).try_acquire_owned() else {
            return answer(StatusCode::CONFLICT, TEXT, "a replay, retry or drop is under way; wait for its end\n");
        };
        match job.begin(&self.observed, route, permit) {
            Ok(lines) => stream(lines),
            Err((status, said)) => answer(status, TEXT, format!("{said}\n")),
        }
    }

    /// The answer to a question for a source or a route that is not configured.
    fn unknown(&self, source: Option<&str>, route: Option<&str>) -> Option<Response<AnswerBody>> {
        let matcher = &self.observed.archive.matcher;
        let refuse = |what: &str, name: &str, mut known: Vec<&str>| {
            known.sort_unstable();
            let said = format!("no {what} is called {name:?}; there are {}\n", known.join(", "));
            Some(answer(StatusCode::NOT_FOUND, TEXT, said))
        };
        match (source, route) {
            (Some(name), _) if !matcher.sources().any(|known| known == name) => {
                refuse("source", name, matcher.sources().collect())
            }
            (_, Some(name)) if !matcher.routes().any(|known| known == name) => {
                refuse("route", name, matcher.routes().collect())
            }
            _ => None,
        }
    }
}

/// Reads much, and blocks.
fn tell(observed: &Observed, wanted: &Wanted) -> Result<Stories, StoryError> {
    observed.routes.write_attempts(ATTEMPTS_PATIENCE);
    let search = observed.journal.as_ref().map(|journal| journal.search());
    let is_done = |route: &str, sequence| {
        let position = observed.routes.position(route)?;
        // Beyond its position a route may be done with some and not with others.
        (sequence < position).then_some(true)
    };
    let events = observed.archive.tell(search.as_ref(), wanted, &is_done, true, &mut |_, _| {})?;
    Ok(Stories { events, attempts_dropped: observed.routes.attempts_dropped() })
}

fn forgotten(name: &str, forgotten: Result<(), ForgetError>) -> Response<AnswerBody> {
    match forgotten {
        Ok(()) => {
            tracing::info!(route = name, "forgotten by request");
            answer(StatusCode::OK, JSON, serde_json::json!({ "route": name, "state": "forgotten" }).to_string())
        }
        Err(error @ ForgetError::Configured { .. }) => answer(StatusCode::CONFLICT, TEXT, format!("{error}\n")),
        Err(error @ ForgetError::Unknown { .. }) => answer(StatusCode::NOT_FOUND, TEXT, format!("{error}\n")),
    }
}

fn switched(name: &str, what: &str, known: bool) -> Response<AnswerBody> {
    if known {
        tracing::info!(route = name, "{what} by request");
        answer(StatusCode::OK, JSON, serde_json::json!({ "route": name, "state": what }).to_string())
    } else {
        answer(StatusCode::NOT_FOUND, TEXT, format!("no route is called {name}; GET /routes lists them\n"))
    }
}

fn stream(lines: Lines) -> Response<AnswerBody> {
    let mut response = Response::new(Either::Right(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(Either::Left(ReplyBody::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
