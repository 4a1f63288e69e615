//! What the alternatives on axum have in common: where they listen, and what an event is to those that store bytes.

use std::net::SocketAddr;

use axum::Router;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;
use tokio::net::TcpListener;

/// An event on its way into a store.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) body: Bytes,
}

impl Event {
    /// Reads id and type, and no more of the body than has to be read to find them. `None` if it is not JSON.
    pub(super) fn read(headers: &HeaderMap, body: Bytes) -> Option<Self> {
        #[derive(Deserialize)]
        struct Payload {
            action: Option<String>,
        }

        let Payload { action } = serde_json::from_slice(&body).ok()?;
        let kind = header(headers, "x-github-event");
        let kind = action.map_or_else(|| kind.to_owned(), |action| format!("{kind}.{action}"));
        Some(Self { id: header(headers, "x-github-delivery").to_owned(), kind, body })
    }
}

/// A header's text, or an empty one.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Serves on as many threads as there are cores.
pub(super) fn serve<F>(listen: SocketAddr, app: F) -> anyhow::Result<()>
where
    F: AsyncFnOnce() -> anyhow::Result<Router>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = app().await?;
        let listener = TcpListener::bind(listen).await?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, app).await?)
    })
}
