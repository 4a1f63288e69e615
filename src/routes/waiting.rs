//! An event on its way through one route, and what has happened to it there.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::delivery::{Failure, FailureKind};
use crate::event::{Event, Sequence};

/// An event that a route has taken and not yet done with. Wherever it is (queue, sink, parked, dead letters) it holds its
/// place in the bounds of the route's queue.
#[derive(Debug)]
pub(super) struct Waiting {
    event: Event,
    /// Its place in the journal; `None` if it is nowhere but in memory.
    sequence: Option<Sequence>,
    /// How long the route's breaker had been open in all when it came.
    outages_before: Duration,
    /// Failed attempts, the oldest first.
    attempts: Vec<Attempt>,
}

/// A failed attempt, as a dead letter tells it.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) at: SystemTime,
    pub(super) kind: FailureKind,
    /// Attempts in a row that failed alike share it: a processor that is down says the same thing each time.
    pub(super) detail: Arc<str>,
}

impl Waiting {
    pub(super) fn new(event: Event, sequence: Option<Sequence>, outages_before: Duration) -> Self {
        Self { event, sequence, outages_before, attempts: Vec::new() }
    }

    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Its place in the journal; `None` if it is nowhere but in memory.
    pub(super) fn sequence(&self) -> Option<Sequence> {
        self.sequence
    }

    /// What it takes up in the queue's bound on bytes.
    pub(super) fn bytes(&self) -> usize {
        self.event.body().len()
    }

    /// Failed attempts, the oldest first.
    pub(super) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Failed attempts that count.
    pub(super) fn failed_attempts(&self) -> u32 {
        self.attempts.len() as u32
    }

    pub(super) fn add_attempt(&mut self, failure: Failure, at: SystemTime) {
        let detail = match self.attempts.last() {
            Some(last) if *last.detail == *failure.detail => Arc::clone(&last.detail),
            _ => failure.detail.into(),
        };
        self.attempts.push(Attempt { at, kind: failure.kind, detail });
    }

    /// How old it is, without the outages of the processor since it came.
    pub(super) fn age(&self, outages: Duration, now: Instant) -> Duration {
        let excused = outages.saturating_sub(self.outages_before);
        now.saturating_duration_since(self.event.received_at()).saturating_sub(excused)
    }
}
