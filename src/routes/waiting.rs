//! An event on its way through one route, and what has happened to it there.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::delivery::{Failure, FailureKind};
use super::history::{self, History};
use crate::event::{Event, Sequence};
use crate::journal::ReadParked;

/// An event that a route has taken and not yet done with. Wherever it is (queue, sink, parked, dead letters) it holds its
/// place in the bounds of the route's queue.
#[derive(Debug)]
pub(super) struct Waiting {
    event: Event,
    /// Its place in the journal; `None` if it is nowhere but in memory.
    sequence: Option<Sequence>,
    /// Where it was received, as far as that is known: the same but for one that was parked in the journal.
    original: Option<Sequence>,
    /// How long the route's breaker had been open in all when it came.
    outages_before: Duration,
    /// For how long outages had kept it before.
    excused: Duration,
    /// Attempts that have failed.
    failed: u32,
    /// Of them what is known, the oldest first.
    attempts: Vec<Attempt>,
}

/// A failed attempt, as a dead letter tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) at: SystemTime,
    pub(super) kind: FailureKind,
    /// Attempts in a row that failed alike share it: a processor that is down says the same thing each time.
    pub(super) detail: Arc<str>,
}

impl Waiting {
    pub(super) fn new(event: Event, sequence: Option<Sequence>, outages_before: Duration) -> Self {
        Self {
            event,
            sequence,
            original: sequence,
            outages_before,
            excused: Duration::ZERO,
            failed: 0,
            attempts: Vec::new(),
        }
    }

    /// An event that was parked in the journal, at this place. Of one whose history cannot be read the attempts count all the
    /// same.
    pub(super) fn parked(read: ReadParked, place: Sequence, outages_before: Duration) -> Self {
        let History { excused, attempts } = history::decode(&read.state).unwrap_or_default();
        Self {
            event: read.event,
            sequence: Some(place),
            original: read.original,
            outages_before,
            excused,
            failed: read.attempts,
            attempts,
        }
    }

    /// What is kept of it beside the event when it is parked in the journal.
    pub(super) fn state(&self, outages: Duration) -> Vec<u8> {
        history::encode(self.excused(outages), &self.attempts)
    }

    pub(super) fn event(&self) -> &Event {
        &self.event
    }

    /// Its place in the journal; `None` if it is nowhere but in memory.
    pub(super) fn sequence(&self) -> Option<Sequence> {
        self.sequence
    }

    /// Where it was received.
    pub(super) fn original(&self) -> Option<Sequence> {
        self.original
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
        self.failed
    }

    pub(super) fn add_attempt(&mut self, failure: Failure, at: SystemTime) {
        self.failed = self.failed.saturating_add(1);
        let detail = match self.attempts.last() {
            Some(last) if *last.detail == *failure.detail => Arc::clone(&last.detail),
            _ => failure.detail.into(),
        };
        self.attempts.push(Attempt { at, kind: failure.kind, detail });
    }

    /// How old it is, without the outages of the processor since it came.
    pub(super) fn age(&self, outages: Duration, now: Instant) -> Duration {
        now.saturating_duration_since(self.event.received_at()).saturating_sub(self.excused(outages))
    }

    fn excused(&self, outages: Duration) -> Duration {
        self.excused + outages.saturating_sub(self.outages_before)
    }
}
