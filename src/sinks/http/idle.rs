//! One worker's connections to a processor that wait for the next request.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Connection;

/// A connection that has waited longer is not used again: the processor, or something on the way, may be about to close
/// it. Many servers do so after a minute, few before.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30);

/// Idle connections, the newest last. The newest is used first, so that those a burst has left over grow old and go.
#[derive(Default)]
pub(super) struct Idle {
    waiting: RefCell<VecDeque<Waiting>>,
}

struct Waiting {
    connection: Connection,
    since: Instant,
}

impl Idle {
    /// The newest connection that can take a request at once.
    pub(super) fn take(&self, now: Instant) -> Option<Connection> {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(|oldest| now.saturating_duration_since(oldest.since) > IDLE_MAX) {
            waiting.pop_front();
        }
        while let Some(newest) = waiting.pop_back() {
            if newest.connection.is_ready() {
                return Some(newest.connection);
            }
        }
        None
    }

    /// Keeps a connection whose answer has been read to its end, if it is to stay open.
    pub(super) async fn put(&self, connection: Connection, now: Instant) {
        if !connection.is_ready() {
            // The task of the connection may still have to see that the answer has been read.
            tokio::task::yield_now().await;
        }
        if connection.is_ready() {
            self.waiting.borrow_mut().push_back(Waiting { connection, since: now });
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.borrow().len()
    }
}
