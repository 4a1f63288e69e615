//! axum and `JetStream`: the answer waits for the acknowledgement of the stream, which has a file store. With its default
//! settings that has written the event, and syncs every two minutes.

use std::net::SocketAddr;

use anyhow::anyhow;
use async_nats::jetstream::{self, stream};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::event::{self, Event};
use super::signature::Key;

#[derive(Clone)]
struct App {
    key: Key,
    stream: jetstream::Context,
}

pub(super) fn serve(listen: SocketAddr, key: Key, store: &str) -> anyhow::Result<()> {
    event::serve(listen, async || {
        let stream = jetstream::new(async_nats::connect(store).await?);
        let config = stream::Config {
            name: "events".into(),
            subjects: vec!["events.>".into()],
            max_bytes: STREAM_BYTES_MAX,
            ..stream::Config::default()
        };
        stream.create_stream(config).await.map_err(|error| anyhow!("cannot create the stream: {error}"))?;
        Ok(Router::new().route("/hooks/github", post(hook)).with_state(App { key, stream }))
    })
}

async fn hook(State(app): State<App>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !app.key.verifies(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(event) = Event::read(&headers, body) else { return StatusCode::BAD_REQUEST };
    let mut meta = async_nats::HeaderMap::new();
    meta.insert("event-id", event.id);
    let published = async {
        let subject = format!("events.github.{}", event.kind);
        app.stream.publish_with_headers(subject, meta, event.body).await.ok()?.await.ok()
    };
    match published.await {
        Some(_) => StatusCode::ACCEPTED,
        None => StatusCode::SERVICE_UNAVAILABLE,
    }
}

const STREAM_BYTES_MAX: i64 = 4 << 30;
