//! The processor that stands in for all: takes its time for a delivery and keeps nothing. On a thread of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::accept::{empty, serve};
use crate::load::Work;

/// Runs until dropped.
pub(super) struct StandIn {
    pub(super) address: SocketAddr,
    end: watch::Sender<bool>,
}

impl StandIn {
    pub(super) fn start(latency: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("there is no free port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (end, ended) = watch::channel(false);
        std::thread::Builder::new()
            .name("processor".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let answer = move |request: Request<Incoming>| async move {
                    let whole = request.into_body().collect().await.is_ok();
                    if !latency.is_zero() {
                        tokio::time::sleep(latency).await;
                    }
                    empty(if whole { StatusCode::OK } else { StatusCode::BAD_REQUEST })
                };
                LocalSet::new().block_on(&runtime, serve(answer, listener, ended, Work::default()))
            })
            .context("cannot start a processor's thread")?;
        Ok(Self { address, end })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.end.send_replace(true);
    }
}
