//! A processor that notes what arrives, one event in a request or several: on a thread of its own, until dropped.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context as _;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::accept::{empty, serve};
use crate::delivery;
use crate::load::{Ids, Work};

/// An event that has arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) id: [u8; Ids::WIDTH],
    /// The number of the request that it came in.
    pub(crate) request: usize,
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
                        let Ok(body) = body.collect().await else { return empty(StatusCode::BAD_REQUEST) };
                        let Some(ids) = ids(&head.headers, &body.to_bytes()) else {
                            return empty(StatusCode::BAD_REQUEST);
                        };
                        note(&mut noted.lock().unwrap_or_else(PoisonError::into_inner), ids);
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

    /// How many events have.
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

/// Notes the events of one request, in their order.
fn note(arrivals: &mut Vec<Arrival>, ids: Vec<[u8; Ids::WIDTH]>) {
    let request = arrivals.last().map_or(0, |last| last.request + 1);
    arrivals.extend(ids.into_iter().map(|id| Arrival { id, request }));
}

/// The ids that the client gave to the events of a request; `None` if one of them has another.
fn ids(headers: &HeaderMap, body: &[u8]) -> Option<Vec<[u8; Ids::WIDTH]>> {
    if delivery::is_batch(headers) {
        delivery::ids(body)?.iter().map(|id| given(id.as_ref()?.as_bytes())).collect()
    } else {
        Some(vec![given(headers.get("webhook-id")?.as_bytes())?])
    }
}

/// A `webhook-id`, which is the `id` of an event of a batch too, is `SOURCE:ID`.
fn given(webhook_id: &[u8]) -> Option<[u8; Ids::WIDTH]> {
    webhook_id.rsplit(|byte| *byte == b':').next()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use http::HeaderValue;
    use http::header::CONTENT_TYPE;

    use super::*;

    fn batch(ids: &[&str]) -> Option<Vec<[u8; Ids::WIDTH]>> {
        let content_type = HeaderValue::from_static("application/cloudevents-batch+json; charset=utf-8");
        // That of the request names none of its events.
        let of_batch = ("webhook-id".parse().unwrap(), HeaderValue::from_static("batch_0123"));
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type), of_batch]);
        let events: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id, "data": {"id": "github:x"}})).collect();
        super::ids(&headers, &serde_json::to_vec(&events).unwrap())
    }

    #[test]
    fn each_event_of_a_batch_arrives_in_its_order_and_in_one_request() {
        let ids: Vec<_> = (0..4).map(|n| format!("github:{}", n.to_string().repeat(Ids::WIDTH))).collect();
        let mut arrivals = Vec::new();
        note(&mut arrivals, batch(&[&ids[2], &ids[0]]).unwrap());
        note(&mut arrivals, batch(&[]).unwrap());
        note(&mut arrivals, batch(&[&ids[1], &ids[2], &ids[3]]).unwrap());
        let seen: Vec<_> = arrivals.iter().map(|arrival| (arrival.id[0] - b'0', arrival.request)).collect();
        assert_eq!(seen, [(2, 0), (0, 0), (1, 1), (2, 1), (3, 1)]);
    }

    #[test]
    fn a_batch_with_an_event_that_is_none_of_the_clients_is_refused() {
        assert_eq!(batch(&[&format!("github:{}", "0".repeat(Ids::WIDTH)), "github:1"]), None);
    }
}
