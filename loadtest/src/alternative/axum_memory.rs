//! By hand, in memory: axum, hmac, a `serde_json` document, and a tokio channel to the task that processes it. As most
//! people write a webhook receiver; what it has answered for is lost with the process.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc::{Sender, channel};

use super::event::{self, header};
use super::signature::Key;

#[derive(Clone)]
struct App {
    key: Key,
    events: Sender<Event>,
}

struct Event {
    id: String,
    kind: String,
    document: Value,
}

pub(super) fn serve(listen: SocketAddr, key: Key) -> anyhow::Result<()> {
    event::serve(listen, async || {
        let (events, mut received) = channel(10_000);
        tokio::spawn(async move {
            while let Some(Event { id, kind, document }) = received.recv().await {
                std::hint::black_box((id, kind, document));
            }
        });
        Ok(Router::new().route("/hooks/github", post(hook)).with_state(App { key, events }))
    })
}

async fn hook(State(app): State<App>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !app.key.verifies(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(document) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let kind = header(&headers, "x-github-event");
    let kind = match document.get("action").and_then(Value::as_str) {
        Some(action) => format!("{kind}.{action}"),
        None => kind.to_owned(),
    };
    let event = Event { id: header(&headers, "x-github-delivery").to_owned(), kind, document };
    match app.events.send(event).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
