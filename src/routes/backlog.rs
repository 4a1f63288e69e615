//! How far each route is behind in the journal, and what follows from that. Runs on `dispatch`, which is all that writes it;
//! an io thread looks at one flag.
//!
//! ```text
//! bytes behind   0 ──────────── 50 % ────── 80 % ──── 90 % ── 95 % ── size
//!                               warning     warning    │      warning   └▶ full: `refuse_source` or `drop_oldest`
//!                                                      └◀─ no longer full
//! ```

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::dispatch::Log;
use super::lock::lock;
use super::route::Route;
use super::{Removed, Shared};
use crate::config::BacklogFull;
use crate::config::units::WrittenSize;
use crate::event::Sequence;

/// The backlogs of all routes.
#[derive(Debug)]
pub(super) struct Backlogs {
    shared: Arc<Shared>,
    /// By route.
    gauges: Vec<Gauge>,
    /// What the routes needed, and where the journal's end was, when they were looked at last, and when that was.
    seen: Vec<Sequence>,
    seen_end: Sequence,
    looked_at: Option<Instant>,
}

/// What a route has to go without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GiveUp {
    pub(super) route: usize,
    /// Everything before this.
    pub(super) before: Sequence,
}

impl Backlogs {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            gauges: shared.routes.iter().map(|route| Gauge { size: route.backlog.size, level: 0 }).collect(),
            seen: vec![Sequence(0); shared.routes.len()],
            seen_end: Sequence(0),
            looked_at: None,
            shared: Arc::clone(shared),
        }
    }

    /// When to look again: `None` if nothing has changed since the last time.
    pub(super) fn due(&self) -> Option<Instant> {
        let positions = self.shared.routes.iter().map(|route| route.durable.holds_from());
        let is_seen = self.seen_end == self.shared.bell.end() && positions.eq(self.seen.iter().copied());
        self.looked_at.filter(|_| !is_seen).map(|at| at + LOOK_EVERY)
    }

    /// Looks how far the routes are behind, if the last time is long enough ago. What has to be given up is left to the
    /// caller.
    pub(super) fn look(&mut self, log: &dyn Log, now: Instant) -> Vec<GiveUp> {
        if self.looked_at.is_some_and(|at| now < at + LOOK_EVERY) {
            return Vec::new();
        }
        self.looked_at = Some(now);
        self.seen_end = self.shared.bell.end();
        let mut give_up = Vec::new();
        let mut has_turned = false;
        let routes = self.shared.routes.iter().zip(&mut self.gauges).zip(&mut self.seen);
        for (at, ((route, gauge), seen)) in routes.enumerate() {
            *seen = route.durable.holds_from();
            let bytes = log.bytes_from(*seen);
            route.durable.show_backlog(bytes);
            if let Some(change) = gauge.read(bytes) {
                has_turned = true;
                tell(route, bytes, change);
            }
            if bytes > gauge.size && route.backlog.when_full == BacklogFull::DropOldest {
                // In pieces: it has to look through its queue for what has to go.
                let before = log.last_bytes(gauge.size - gauge.size / PIECES);
                give_up.push(GiveUp { route: at, before });
            }
        }
        if has_turned {
            self.refuse_sources();
        }
        for Removed { holds_from, backlog, .. } in &mut *lock(&self.shared.removed) {
            *backlog = log.bytes_from(*holds_from);
        }
        give_up
    }

    /// Every source is refused that feeds a route which is full and wants that.
    fn refuse_sources(&self) {
        let is_refusing = |(route, gauge): &(&Arc<Route>, &Gauge)| {
            gauge.is_full() && route.backlog.when_full == BacklogFull::RefuseSource
        };
        let full: Vec<_> = self.shared.routes.iter().zip(&self.gauges).filter(is_refusing).collect();
        for (at, refused) in self.shared.refused_sources.iter().enumerate() {
            let is_refused = full.iter().any(|(route, _)| route.sources.contains(&at));
            refused.store(is_refused, Ordering::Relaxed);
        }
    }
}

fn tell(route: &Route, bytes: u64, change: Change) {
    let (name, limit, given_up) = (&*route.name, WrittenSize(route.backlog.size), route.counts.given_up.get());
    match (change, route.backlog.when_full) {
        (Change::Reached(100), BacklogFull::RefuseSource) => tracing::error!(
            route = name,
            bytes,
            "the route's backlog is full ({limit}): the durable sources that it takes from are refused until it has caught up"
        ),
        (Change::Reached(100), BacklogFull::DropOldest) => tracing::error!(
            route = name,
            bytes,
            "the route's backlog is full ({limit}): it goes without its oldest events"
        ),
        (Change::Reached(percent), _) => {
            tracing::warn!(route = name, bytes, "the route's backlog has reached {percent} % of its limit, {limit}");
        }
        (Change::Relieved, BacklogFull::RefuseSource) => {
            tracing::info!(route = name, bytes, "the route has caught up: its sources are taken again");
        }
        (Change::Relieved, BacklogFull::DropOldest) => {
            tracing::info!(route = name, bytes, given_up, "the route has caught up: it gets all its events again");
        }
    }
}

/// Which marks a backlog has passed. Pure.
#[derive(Debug)]
struct Gauge {
    size: u64,
    /// So many of [`MARKS`].
    level: usize,
}

/// What is worth telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// So many percent, for the first time since it was well below.
    Reached(u64),
    /// It is no longer full.
    Relieved,
}

impl Gauge {
    fn read(&mut self, bytes: u64) -> Option<Change> {
        let marks_below = |slack: u64| {
            let is_reached =
                |mark: &&u64| u128::from(bytes) * 100 >= u128::from(self.size) * u128::from(mark.saturating_sub(slack));
            MARKS.iter().take_while(is_reached).count()
        };
        let before = self.level;
        let level = before.clamp(marks_below(0), marks_below(SLACK));
        self.level = level;
        match MARKS.get(level.wrapping_sub(1)) {
            Some(&mark) if level > before => Some(Change::Reached(mark)),
            _ if before == MARKS.len() && level < before => Some(Change::Relieved),
            _ => None,
        }
    }

    fn is_full(&self) -> bool {
        self.level == MARKS.len()
    }
}

/// In percent.
const MARKS: [u64; 4] = [50, 80, 95, 100];

/// A mark is left so many percent below it, so that a backlog that stands at one is not told of again and again.
const SLACK: u64 = 10;

/// What is given up at once, as a part of the size.
const PIECES: u64 = 64;

/// A backlog grows beyond its limit by what is written in this time.
const LOOK_EVERY: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_told_once_until_it_was_left() {
        let mut gauge = Gauge { size: 1000, level: 0 };
        let mut told = Vec::new();
        for bytes in [0, 499, 500, 501, 420, 500, 399, 500, 810, 790, 810, 960, 999, 960] {
            told.extend(gauge.read(bytes));
        }
        assert_eq!(told, [50, 50, 80, 95].map(Change::Reached));
        assert!(!gauge.is_full());
    }

    #[test]
    fn what_is_full_stays_so_until_it_has_caught_up_somewhat() {
        let mut gauge = Gauge { size: 1000, level: 0 };
        assert_eq!(gauge.read(1200), Some(Change::Reached(100)));
        assert_eq!((gauge.read(1000), gauge.read(901), gauge.is_full()), (None, None, true));
        assert_eq!((gauge.read(899), gauge.is_full()), (Some(Change::Relieved), false));
        assert_eq!(gauge.read(1000), Some(Change::Reached(100)));
        assert_eq!((gauge.read(0), gauge.read(600)), (Some(Change::Relieved), Some(Change::Reached(50))));
    }
}
