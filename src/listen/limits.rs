//! The limits a connection lives within.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::GatewayConfig;

/// Time limits of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// From the accept, or the first byte of a head, to its last.
    pub(crate) head: Duration,
    /// From the end of the head to the last byte of the body.
    pub(crate) body: Duration,
    /// From an answer to the next request.
    pub(crate) idle: Duration,
    /// From an answer being ready to its last byte being taken by the system.
    pub(crate) write: Duration,
    /// From the end of an answer to a request that was not read to its end, to closing under the client that sends it.
    pub(crate) linger: Duration,
}

/// A client that does not take its answer for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// A client has so long to finish what it is sending before it looks at its answer.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

impl From<&GatewayConfig> for Limits {
    fn from(config: &GatewayConfig) -> Self {
        Self {
            head: config.head_timeout,
            body: config.body_timeout,
            idle: config.idle_timeout,
            write: WRITE_TIMEOUT,
            linger: LINGER_TIMEOUT,
        }
    }
}

/// Connections open at once, over all io threads.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    open: AtomicUsize,
    max: usize,
}

/// One connection's place under the limit, given back when dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit(Arc<ConnectionLimit>);

impl ConnectionLimit {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), max })
    }

    /// A place for one more connection, or `None` if all are taken.
    pub(super) fn admit(self: &Arc<Self>) -> Option<ConnectionPermit> {
        let permit = ConnectionPermit(Arc::clone(self));
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        (before < self.max).then_some(permit)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_takes_no_place() {
        let limit = ConnectionLimit::new(1);
        let first = limit.admit();
        assert!(first.is_some());
        assert!(limit.admit().is_none());
        assert!(limit.admit().is_none());
        drop(first);
        assert!(limit.admit().is_some());
    }
}
