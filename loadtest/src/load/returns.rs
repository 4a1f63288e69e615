//! A processor on the client's own thread, and a client that sends no more than what comes back to it.
//!
//! ```text
//! room ─▶ connection ⇄ gateway ─ delivery ─▶ processor ─▶ room
//! ```
//! So the rate is that of events that go all the way: what is on its way is never more than the window, and no backlog grows.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, watch};

use super::work::Work;
use crate::accept::{empty, serve};
use crate::delivery;

/// What is on its way, and what has come back.
#[derive(Debug)]
pub(crate) struct Returns {
    /// Where the processor listens.
    pub(crate) address: SocketAddr,
    listener: TcpListener,
    window: usize,
    /// Events that may still leave.
    room: Semaphore,
    accepted: AtomicU64,
    delivered: AtomicU64,
    /// Hashes of their ids.
    seen: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

impl Returns {
    /// Listens on a free port. At most `window` events will be on their way.
    pub(crate) fn listen(window: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            window,
            room: Semaphore::new(window),
            accepted: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            seen: Mutex::default(),
            hasher: RandomState::new(),
        })
    }

    /// Events that were acknowledged.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Events that have come back, each counted once.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Waits until one more may leave.
    pub(super) async fn leave(&self) {
        if let Ok(place) = self.room.acquire().await {
            place.forget();
        }
    }

    /// One that was to leave did not, or was not taken: it will not come back.
    pub(super) fn stays(&self) {
        self.room.add_permits(1);
    }

    /// One was acknowledged.
    pub(super) fn was_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Serves as the processor, in a `LocalSet`, until dropped.
    pub(super) async fn serve(self: Arc<Self>, work: Work) -> anyhow::Result<()> {
        let (_end, ended) = watch::channel(false);
        let listener = self.listener.try_clone()?;
        let answer = move |request| {
            let returns = Arc::clone(&self);
            async move { returns.answer(request).await }
        };
        serve(answer, listener, ended, work).await
    }

    /// Waits until all is back, but not for ever.
    pub(super) async fn settle(&self) {
        let is_back = async {
            while self.room.available_permits() < self.window {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, is_back).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return empty(StatusCode::BAD_REQUEST) };
        self.arrived(&head.headers, &body.to_bytes());
        empty(StatusCode::OK)
    }

    /// Counts a delivery: an event, or a batch of them, each by its id.
    fn arrived(&self, headers: &HeaderMap, body: &[u8]) {
        let events = if delivery::is_batch(headers) {
            let events = std::str::from_utf8(body).unwrap_or_default().split(EVENT).skip(1);
            events.map(|event| self.is_new(event.split('"').next().unwrap_or_default().as_bytes())).sum()
        } else {
            headers.get("webhook-id").map_or(0, |id| self.is_new(id.as_bytes()))
        };
        self.delivered.fetch_add(events as u64, Ordering::Relaxed);
        self.room.add_permits(events);
    }

    /// 1 for an event that has not come before, 0 for one that has.
    fn is_new(&self, id: &[u8]) -> usize {
        let hash = self.hasher.hash_one(id);
        usize::from(self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(hash))
    }
}

/// How each event of a batch begins, up to its id. Reading all of the JSON would take the client's time; what is sent here has
/// this nowhere in it.
const EVENT: &str = "{\"specversion\":\"1.0\",\"id\":\"";

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    #[test]
    fn what_comes_back_makes_room_once() {
        let returns = Returns::listen(2).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            returns.leave().await;
            returns.leave().await;
        });
        assert_eq!(returns.room.available_permits(), 0);
        let headers = HeaderMap::from_iter([("webhook-id".parse().unwrap(), HeaderValue::from_static("github:1"))]);
        returns.arrived(&headers, b"{}");
        returns.arrived(&headers, b"{}");
        assert_eq!((returns.room.available_permits(), returns.delivered()), (1, 1), "a repetition makes no room");
        returns.stays();
        assert_eq!((returns.room.available_permits(), returns.delivered()), (2, 1));
    }

    #[test]
    fn a_batch_is_as_many_events_as_it_has_ids() {
        let returns = Returns::listen(8).unwrap();
        let content_type = HeaderValue::from_static("application/cloudevents-batch+json; charset=utf-8");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        let batch = |ids: &[u32]| {
            let event = |id: &u32| {
                format!(r#"{{"specversion":"1.0","id":"s:{id}","source":"/sources/s","data":{{"id":"x"}}}}"#)
            };
            format!("[{}]", ids.iter().map(event).collect::<Vec<_>>().join(","))
        };
        returns.arrived(&headers, batch(&[1, 2, 3]).as_bytes());
        assert_eq!(returns.delivered(), 3);
        returns.arrived(&headers, batch(&[3, 4]).as_bytes());
        assert_eq!(returns.delivered(), 4, "a repetition does not count");
    }
}
