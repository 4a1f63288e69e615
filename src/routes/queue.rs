//! The bounded queue of one route.
//!
//! ```text
//! io threads ── reserve a place ── push ──▶ channel ──▶ worker ──▶ sink ──▶ done: release the place
//!                                                          ▲        │
//!                                                          └ parked ┘  (still in its place)
//! ```
//!
//! A place is reserved before an event is pushed and released when the route is done with it, so the bounds hold for
//! everything the route has in memory, and a push after a reservation always finds room: the channel holds as many events
//! as there are places.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::waiting::Waiting;
use crate::config::QueueConfig;

/// The queue of one route.
#[derive(Debug)]
pub(super) struct Queue {
    sender: Sender<Waiting>,
    receiver: Receiver<Waiting>,
    places: Bounded,
    bytes: Bounded,
    started: Instant,
    /// Nothing in the channel was received before this: microseconds since `started`, negative for what an earlier process
    /// received.
    none_older_than_us: AtomicI64,
}

impl Queue {
    pub(super) fn new(config: QueueConfig, now: Instant) -> Self {
        let (sender, receiver) = bounded(config.events.max(1));
        Self {
            sender,
            receiver,
            places: Bounded::new(config.events),
            bytes: Bounded::new(config.bytes),
            started: now,
            none_older_than_us: AtomicI64::new(0),
        }
    }

    /// Reserves a place for an event with a body of so many bytes, or nothing at all and `false`. One that is larger than all
    /// the queue may hold counts as just that: it comes through alone.
    pub(super) fn reserve(&self, bytes: usize) -> bool {
        if !self.places.take(1) {
            return false;
        }
        let granted = self.bytes.take(bytes.min(self.bytes.limit));
        if !granted {
            self.places.give_back(1);
        }
        granted
    }

    /// Gives a place back.
    pub(super) fn release(&self, bytes: usize) {
        self.bytes.give_back(bytes.min(self.bytes.limit));
        self.places.give_back(1);
    }

    /// Whether [`Queue::reserve`] would have given a place.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.places.has(1) && self.bytes.has(bytes.min(self.bytes.limit))
    }

    /// Whether no more than half of what it can hold waits to be taken.
    pub(super) fn is_half_empty(&self) -> bool {
        self.receiver.len() <= self.places.limit / 2
    }

    /// Puts an event into the place that was reserved for it.
    pub(super) fn push(&self, waiting: Waiting) {
        if self.receiver.is_empty() {
            self.remember_age(&waiting);
        }
        let bytes = waiting.bytes();
        if self.sender.try_send(waiting).is_err() {
            // Cannot be: both ends live in `self`, and the channel has as many places as can be reserved.
            debug_assert!(false, "a push without a reservation");
            self.release(bytes);
        }
    }

    /// Takes the event that has waited longest. Its place stays reserved.
    pub(super) fn take(&self) -> Option<Waiting> {
        let waiting = self.receiver.try_recv().ok()?;
        self.remember_age(&waiting);
        Some(waiting)
    }

    /// Whether no event waits to be taken.
    pub(super) fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }

    /// Events that wait to be taken.
    pub(super) fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Places that are reserved.
    pub(super) fn places_used(&self) -> usize {
        self.places.used()
    }

    /// Bytes that are reserved.
    pub(super) fn bytes_used(&self) -> usize {
        self.bytes.used()
    }

    /// A time before which no event in the channel was received. A channel cannot be looked into; what was taken last, or
    /// pushed first, is as old as the oldest that is left, or older.
    pub(super) fn none_older_than(&self) -> Instant {
        let us = self.none_older_than_us.load(Ordering::Relaxed);
        let distance = Duration::from_micros(us.unsigned_abs());
        if us < 0 { self.started.checked_sub(distance).unwrap_or(self.started) } else { self.started + distance }
    }

    fn remember_age(&self, waiting: &Waiting) {
        let received = waiting.event().received_at();
        let since_start = received.saturating_duration_since(self.started).as_micros() as i64;
        let before_start = self.started.saturating_duration_since(received).as_micros() as i64;
        self.none_older_than_us.store(since_start - before_start, Ordering::Relaxed);
    }
}

/// A number that is taken from and given back to by many threads and never exceeds its limit, not even for a moment: one
/// thread's failing attempt must not make another's fail.
#[derive(Debug)]
pub(super) struct Bounded {
    used: AtomicUsize,
    limit: usize,
}

impl Bounded {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    /// Takes `n`, or nothing at all and `false`.
    pub(super) fn take(&self, n: usize) -> bool {
        let within = |used: usize| used.checked_add(n).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Ordering::SeqCst, Ordering::Relaxed, within).is_ok()
    }

    /// Whether `n` could be taken.
    pub(super) fn has(&self, n: usize) -> bool {
        self.used().checked_add(n).is_some_and(|sum| sum <= self.limit)
    }

    /// Gives back what [`Bounded::take`] gave.
    pub(super) fn give_back(&self, n: usize) {
        self.used.fetch_sub(n, Ordering::SeqCst);
    }

    /// What is taken now.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }
}
