//! What is counted about a route: on io threads by one writer each, on workers by all of them.

use super::delivery::FailureKind;
use crate::counters::{Counter, Latencies, SharedCounter};

/// What one io thread counts about one route.
#[derive(Debug, Default)]
pub(super) struct OfferCounts {
    /// Events that the route matches, whatever became of them.
    pub(super) offered: Counter,
    /// Events it went without for want of room.
    pub(super) dropped: Counter,
    /// Events that were refused because it had no room.
    pub(super) refused: Counter,
}

/// What workers and `disk` count about one route.
#[derive(Debug, Default)]
pub(super) struct DeliveryCounts {
    /// Events delivered.
    pub(super) delivered: SharedCounter,
    /// Events that its `where` does not take.
    pub(super) filtered: SharedCounter,
    /// Failed attempts, in the order of [`FAILURES`].
    failed: [SharedCounter; FAILURES.len()],
    /// Events whose dead letter is written.
    pub(super) dead: SharedCounter,
    /// Events that it went without because its backlog was full.
    pub(super) given_up: SharedCounter,
    /// Age of events when they were delivered.
    pub(super) age: Latencies,
}

impl DeliveryCounts {
    /// Counts a failed attempt.
    pub(super) fn failed(&self, kind: FailureKind) {
        if let Some(counter) = self.failed.get(index(kind)) {
            counter.increment();
        }
    }

    /// Failed attempts, in the order of [`FAILURES`].
    pub(super) fn failures(&self) -> [u64; FAILURES.len()] {
        std::array::from_fn(|at| self.failed[at].get())
    }
}

/// The kinds of failed attempts, as metrics name them.
pub(crate) const FAILURES: [&str; 9] =
    ["status_4xx", "status_5xx", "status_other", "connect", "tls", "timeout", "broken_answer", "io", "handler"];

fn index(kind: FailureKind) -> usize {
    match kind {
        FailureKind::Status(400..=499) => 0,
        FailureKind::Status(500..=599) => 1,
        FailureKind::Status(_) => 2,
        FailureKind::Connect => 3,
        FailureKind::Tls => 4,
        FailureKind::Timeout => 5,
        FailureKind::BrokenAnswer => 6,
        FailureKind::Io => 7,
        FailureKind::Handler => 8,
    }
}
