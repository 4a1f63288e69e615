//! What can be seen of a route from outside.

use std::time::{Duration, Instant, SystemTime};

use super::counts::FAILURES;
use super::lock::lock;
use super::route::Route;
use super::{Removed, Shared};
use crate::counters::{LATENCY_BOUNDS_US, Latencies, SharedCounter};

/// A route at one moment. Its numbers are read one after the other, not all at once.
#[derive(Debug, Clone)]
pub(crate) struct RouteStatus {
    pub(crate) name: String,
    /// The name of its pool.
    pub(crate) pool: String,
    /// It is no more configured, and the journal keeps what it has not delivered. Only its name, its lag,
    /// its parked events and its backlog say anything.
    pub(crate) removed: bool,
    pub(crate) paused: bool,
    pub(crate) breaker_open: bool,
    /// Events in memory and not done with: waiting, parked there, in flight or not yet written as dead letters.
    pub(crate) queued_events: usize,
    /// Bytes of their bodies.
    pub(crate) queued_bytes: usize,
    /// Of them, those that were never tried.
    pub(crate) waiting: usize,
    /// Events that wait for another attempt, in memory or in the journal.
    pub(crate) parked: usize,
    /// Deliveries in flight, of one batch each.
    pub(crate) in_flight: usize,
    /// How long the oldest of them has been here, or at most how long; `None` if there are none.
    pub(crate) oldest_undelivered: Option<Duration>,
    /// How far it is behind the end of the journal, in sequences: it does not match all of them.
    pub(crate) lag: u64,
    /// How old the oldest event in the journal is that it has come to, is not done with and has not parked.
    pub(crate) lag_age: Option<Duration>,
    /// Bytes of the journal from the first event that it needs, parked ones included, to the end.
    pub(crate) backlog: u64,
    /// How far it may be; `None` for a route that is removed.
    pub(crate) backlog_limit: Option<u64>,
    /// Events that it went without because it was further behind.
    pub(crate) given_up: u64,
    /// Events that matched, whatever became of them.
    pub(crate) offered: u64,
    /// Events it went without for want of room.
    pub(crate) dropped: u64,
    /// Events that were refused because it had no room.
    pub(crate) refused: u64,
    /// Events delivered.
    pub(crate) delivered: u64,
    /// Events that its `where` does not take.
    pub(crate) filtered: u64,
    /// Events whose dead letter is written.
    pub(crate) dead: u64,
    /// Failed attempts by kind.
    pub(crate) failures: [(&'static str, u64); FAILURES.len()],
    /// Age of events when they were delivered: see [`crate::counters::Latencies::read`].
    pub(crate) age: ([u64; LATENCY_BOUNDS_US.len() + 1], u64),
}

impl RouteStatus {
    pub(super) fn all(shared: &Shared) -> Vec<Self> {
        let now = Instant::now();
        let configured = shared.routes.iter().enumerate().map(|(at, route)| Self::of(shared, at, route, now));
        let removed = lock(&shared.removed);
        configured.chain(removed.iter().map(|removed| Self::of_removed(shared, removed))).collect()
    }

    fn of_removed(shared: &Shared, removed: &Removed) -> Self {
        Self {
            name: removed.name.to_string(),
            pool: String::new(),
            removed: true,
            paused: false,
            breaker_open: false,
            queued_events: 0,
            queued_bytes: 0,
            waiting: 0,
            parked: removed.parked,
            in_flight: 0,
            oldest_undelivered: None,
            lag: shared.bell.end().0.saturating_sub(removed.position.0),
            lag_age: None,
            backlog: removed.backlog,
            backlog_limit: None,
            given_up: 0,
            offered: 0,
            dropped: 0,
            refused: 0,
            delivered: 0,
            filtered: 0,
            dead: 0,
            failures: FAILURES.map(|kind| (kind, 0)),
            age: Latencies::<SharedCounter>::default().read(),
        }
    }

    fn of(shared: &Shared, at: usize, route: &Route, now: Instant) -> Self {
        let (queued_events, queued_bytes) = route.undelivered();
        let failures = route.counts.failures();
        let mut status = Self {
            name: route.name.to_string(),
            pool: shared.pools[route.pool].name.clone(),
            removed: false,
            paused: route.is_paused(),
            breaker_open: route.breaker_is_open(),
            queued_events,
            queued_bytes,
            waiting: route.waiting(),
            parked: route.parked(),
            in_flight: route.in_flight(),
            oldest_undelivered: route.oldest_age(now),
            lag: route.durable.lag(),
            lag_age: route.durable.lag_age(SystemTime::now()),
            backlog: route.durable.backlog(),
            backlog_limit: Some(route.backlog.size),
            given_up: route.counts.given_up.get(),
            offered: 0,
            dropped: 0,
            refused: 0,
            delivered: route.counts.delivered.get(),
            filtered: route.counts.filtered.get(),
            dead: route.counts.dead.get(),
            failures: std::array::from_fn(|kind| (FAILURES[kind], failures[kind])),
            age: route.counts.age.read(),
        };
        for counts in shared.offer_counts().iter().filter_map(|thread| thread.get(at)) {
            status.offered += counts.offered.get();
            status.dropped += counts.dropped.get();
            status.refused += counts.refused.get();
        }
        status
    }
}
