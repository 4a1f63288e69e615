//! The routes of a running gateway as dispatch fills them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::ages::Ages;
use super::clock::Clock;
use super::machine::Outlets;
use crate::event::{Event, Sequence};
use crate::journal::{Parked, ReadParked};
use crate::routes::Shared;
use crate::routes::counts::OfferCounts;
use crate::routes::durable::Stand;
use crate::routes::waiting::Waiting;

/// All routes.
#[derive(Debug)]
pub(super) struct Queues {
    shared: Arc<Shared>,
    /// By route; this thread alone writes them.
    counts: Arc<[OfferCounts]>,
    /// Pools that were given something since the last wake.
    given: Vec<bool>,
    /// By route.
    ages: Vec<Ages>,
    /// Events that are being parked, by route and place, and when they are due. They hold their places in the queues.
    held: HashMap<(usize, Sequence), (Waiting, Instant)>,
    clock: Clock,
}

impl Queues {
    pub(super) fn new(shared: Arc<Shared>, counts: Arc<[OfferCounts]>, clock: Clock) -> Self {
        let given = vec![false; shared.pools.len()];
        let ages = shared.routes.iter().map(|_| Ages::default()).collect();
        Self { shared, counts, given, ages, held: HashMap::new(), clock }
    }

    /// Whether a route has something that was not taken.
    pub(super) fn has_news(&self) -> bool {
        self.shared.routes.iter().any(|route| route.durable.has_news())
    }
}

impl Outlets for Queues {
    fn find(&mut self, event: &Event, matches: &mut Vec<usize>) {
        // What a source that is no more has received is taken by no route: none can name it.
        if let Some(&source) = self.shared.source_names.get(event.source()) {
            self.shared.table.find(source, event.event_type(), event.type_signed(), matches);
        }
    }

    fn has_room(&mut self, route: usize) -> bool {
        self.shared.routes[route].has_room()
    }

    fn push(&mut self, route: usize, sequence: Sequence, event: &Event) -> bool {
        self.ages[route].note(sequence, event);
        let to = &self.shared.routes[route];
        let taken = to.take_from_journal(sequence, event);
        if taken {
            self.counts[route].offered.increment();
            self.given[to.pool] = true;
        }
        taken
    }

    fn await_room(&mut self, route: usize) {
        self.shared.routes[route].durable.want(0);
    }

    fn take_done(&mut self, route: usize, empty: &mut Vec<Sequence>) {
        self.shared.routes[route].durable.take_done(empty);
    }

    fn take_failed(&mut self, route: usize, parking: &mut Vec<Parked>) {
        let from = &self.shared.routes[route];
        for (waiting, due) in from.durable.take_failed() {
            let Some(place) = waiting.sequence() else { continue };
            parking.push(Parked {
                route: Arc::clone(&from.name),
                due_ms: self.clock.ms(due),
                attempts: waiting.failed_attempts(),
                original: waiting.original(),
                replaces: Some(place),
                state: from.state_of(&waiting),
                event: waiting.event().clone(),
                told: None,
            });
            self.held.insert((route, place), (waiting, due));
        }
    }

    fn let_go(&mut self, route: usize, held: Sequence) {
        if let Some((waiting, _)) = self.held.remove(&(route, held)) {
            self.shared.routes[route].parked_in_journal(&waiting);
        }
    }

    fn keep(&mut self, route: usize, held: Sequence) {
        if let Some((waiting, due)) = self.held.remove(&(route, held)) {
            let to = &self.shared.routes[route];
            to.park_in_memory(waiting, due);
            self.given[to.pool] = true;
        }
    }

    fn push_parked(&mut self, route: usize, place: Sequence, read: ReadParked) -> bool {
        let to = &self.shared.routes[route];
        let taken = to.take_back(place, read, self.clock.started());
        if taken {
            self.given[to.pool] = true;
        }
        taken
    }

    fn stands_at(&mut self, route: usize, stand: Stand) {
        self.shared.routes[route].durable.stands_at(stand, self.ages[route].since(stand.position));
    }

    fn gave_up(&mut self, route: usize, _: Sequence) {
        self.counts[route].offered.increment();
        self.shared.routes[route].counts.given_up.increment();
    }

    fn wake_workers(&mut self) {
        for (pool, given) in self.shared.pools.iter().zip(&mut self.given) {
            if std::mem::take(given) {
                pool.wake_one();
            }
        }
    }
}
