//! axum and a Redis stream. With `appendfsync always` Redis syncs its log before it answers, once for all commands that
//! came meanwhile; the one connection is pipelined, so that there are many.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

use super::event::{self, Event};
use super::signature::Key;

#[derive(Clone)]
struct App {
    key: Key,
    redis: MultiplexedConnection,
}

pub(super) fn serve(listen: SocketAddr, key: Key, store: &str) -> anyhow::Result<()> {
    event::serve(listen, async || {
        // The crate gives up after half a second, which many large bodies at once take.
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        let redis = redis::Client::open(store)?.get_multiplexed_async_connection_with_config(&patient).await?;
        Ok(Router::new().route("/hooks/github", post(hook)).with_state(App { key, redis }))
    })
}

async fn hook(State(mut app): State<App>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !app.key.verifies(&headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Some(Event { id, kind, body }) = Event::read(&headers, body) else { return StatusCode::BAD_REQUEST };
    let mut add = redis::cmd("XADD");
    add.arg("events").arg("MAXLEN").arg("~").arg(STREAM_MAX).arg("*");
    add.arg("id").arg(id).arg("type").arg(kind).arg("body").arg(&body[..]);
    match add.exec_async(&mut app.redis).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// GitHub waits for ten seconds.
const PATIENCE: Duration = Duration::from_secs(9);

/// Events that the stream keeps: all of it is in Redis' memory.
const STREAM_MAX: usize = 10_000;
