//! SIGINT and SIGTERM.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for a request to end, from its creation on: one that comes while nobody waits is not missed.
#[derive(Debug)]
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    is_requested: bool,
}

impl Stop {
    /// Starts to listen, in the current runtime.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            is_requested: false,
        })
    }

    /// Ready once the process was asked to end, and from then on.
    pub(crate) async fn requested(&mut self) {
        if self.is_requested {
            return;
        }
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.is_requested = true;
    }

    /// Whether it was. Lets the runtime look at its signals first.
    pub(crate) async fn is_requested(&mut self) -> bool {
        if !self.is_requested {
            let _ = tokio::time::timeout(std::time::Duration::ZERO, self.requested()).await;
        }
        self.is_requested
    }
}
