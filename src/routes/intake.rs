//! The entrance of the routes, one per io thread. Between here and the queues there is no lock, no allocation and no system
//! call; workers are woken only when the io thread says so: after its answers are written, but for a long turn
//! (`gateway/wakes.rs`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::counts::OfferCounts;
use super::pool::Pool;
use crate::config::WhenFull;
use crate::event::Event;
use crate::refusal::Refusal;

/// The entrance of the routes for one io thread.
#[derive(Debug)]
pub(crate) struct Intake {
    shared: Arc<Shared>,
    /// By route; this thread alone writes them.
    counts: Arc<[OfferCounts]>,
    /// Routes that match the event at hand; the first `reserved` of them have room for it. Kept for its memory.
    matches: Vec<usize>,
    /// Pools that were given something since the last wake.
    given: Vec<bool>,
}

impl Intake {
    pub(super) fn new(shared: Arc<Shared>, counts: Arc<[OfferCounts]>) -> Self {
        let matches = Vec::with_capacity(shared.routes.len());
        let given = vec![false; shared.pools.len()];
        Self { shared, counts, matches, given }
    }

    /// Whether a durable source is to be refused: a route that it feeds is too far behind.
    pub(crate) fn is_refused(&self, source: usize) -> bool {
        self.shared.refused_sources.get(source).is_some_and(|refused| refused.load(Ordering::Relaxed))
    }

    /// Offers an event to the routes of its source. Room is reserved in all that match before any takes it: where one that
    /// refuses has none, none gets the event. One that drops goes without.
    ///
    /// Returns how many routes match, those that went without included.
    pub(crate) fn offer(&mut self, source: usize, event: &Event) -> Result<usize, Refusal> {
        let Self { shared, counts, matches, given } = self;
        if shared.is_closed() {
            return Err(Refusal::QueueFull);
        }
        matches.clear();
        shared.table.find(source, event.event_type(), event.type_signed(), matches);
        for &route in &*matches {
            counts[route].offered.increment();
        }
        let bytes = event.body().len();
        let mut reserved = 0;
        let mut full = None;
        for at in 0..matches.len() {
            let route = &shared.routes[matches[at]];
            if route.reserve(bytes) {
                matches.swap(reserved, at);
                reserved += 1;
            } else if route.when_full == WhenFull::Refuse {
                full = Some(matches[at]);
                break;
            }
        }
        let (with_room, without) = matches.split_at(reserved);
        if let Some(full) = full {
            for &route in with_room {
                shared.routes[route].release(bytes);
            }
            counts[full].refused.increment();
            return Err(Refusal::QueueFull);
        }
        for &route in without {
            counts[route].dropped.increment();
        }
        for &at in with_room {
            let route = &shared.routes[at];
            route.push(event);
            given[route.pool] = true;
        }
        Ok(matches.len())
    }

    /// Offers the events of one request, all or none: room is reserved for each in all routes that match it before any of
    /// them is taken.
    pub(crate) fn offer_all(&mut self, source: usize, events: &[Event]) -> Result<(), Refusal> {
        let Self { shared, counts, matches, given } = self;
        if shared.is_closed() {
            return Err(Refusal::QueueFull);
        }
        let (mut with_room, mut without) = (Vec::new(), Vec::new());
        for event in events {
            matches.clear();
            shared.table.find(source, event.event_type(), event.type_signed(), matches);
            for &at in &*matches {
                counts[at].offered.increment();
                let route = &shared.routes[at];
                if route.reserve(event.body().len()) {
                    with_room.push((event, at));
                } else if route.when_full == WhenFull::Drop {
                    without.push(at);
                } else {
                    for (event, at) in with_room {
                        shared.routes[at].release(event.body().len());
                    }
                    counts[at].refused.increment();
                    return Err(Refusal::QueueFull);
                }
            }
        }
        for at in without {
            counts[at].dropped.increment();
        }
        for (event, at) in with_room {
            let route = &shared.routes[at];
            route.push(event);
            given[route.pool] = true;
        }
        Ok(())
    }

    /// How many routes match an event that is delivered from the journal, if the same rules still stand when it is.
    pub(crate) fn count_matches(&mut self, source: usize, event: &Event) -> usize {
        self.matches.clear();
        self.shared.table.find(source, event.event_type(), event.type_signed(), &mut self.matches);
        self.matches.len()
    }

    /// Wakes at most one sleeping worker of each pool that was given something since the last call. It costs 10 to 13 µs per
    /// worker that did sleep: to be called when answers are written.
    pub(crate) fn wake_workers(&mut self) {
        self.given_pools().for_each(Pool::wake_one);
    }

    /// As [`Self::wake_workers`], for many events: a worker that rests is woken too.
    pub(crate) fn hurry_workers(&mut self) {
        self.given_pools().for_each(Pool::hurry_one);
    }

    fn given_pools(&mut self) -> impl Iterator<Item = &Pool> {
        let given = self.shared.pools.iter().zip(&mut self.given);
        given.filter_map(|(pool, given)| std::mem::take(given).then_some(&**pool))
    }
}
