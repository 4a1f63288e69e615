//! A processor that notes what arrives: on a thread of its own, until dropped.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context as _;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::accept::{empty, serve};
use crate::load::{Ids, Work};

/// A delivery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) id: [u8; Ids::WIDTH],
    pub(crate) at: Instant,
}

/// The processor.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    end: watch::Sender<bool>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Receiver {
    /// Listens; on port 0 on a free one.
    pub(crate) fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .with_context(|| format!("cannot listen on {listen}: is another processor running there?"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = watch::channel(false);
        let noted = Arc::clone(&arrivals);
        let thread = std::thread::Builder::new()
            .name("processor".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let answer = move |request: http::Request<hyper::body::Incoming>| {
                    let noted = Arc::clone(&noted);
                    async move {
                        let (head, body) = request.into_parts();
                        if body.collect().await.is_err() {
                            return empty(StatusCode::BAD_REQUEST);
                        }
                        let Some(id) = id(&head.headers) else { return empty(StatusCode::BAD_REQUEST) };
                        noted.lock().unwrap_or_else(PoisonError::into_inner).push(Arrival { id, at: Instant::now() });
                        empty(StatusCode::OK)
                    }
                };
                LocalSet::new().block_on(&runtime, serve(answer, listener, ended, Work::default()))
            })
            .context("cannot start a processor's thread")?;
        Ok(Self { address, arrivals, end, thread: Some(thread) })
    }

    /// What has arrived so far, in its order.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many have.
    pub(crate) fn count(&self) -> usize {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The id that the client gave: `webhook-id` is `SOURCE:ID`.
fn id(headers: &HeaderMap) -> Option<[u8; Ids::WIDTH]> {
    headers.get("webhook-id")?.as_bytes().rsplit(|byte| *byte == b':').next()?.try_into().ok()
}
