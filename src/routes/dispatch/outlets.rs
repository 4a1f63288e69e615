//! The routes of a running gateway as dispatch fills them.

use std::sync::Arc;

use super::ages::Ages;
use super::machine::Outlets;
use crate::event::{Event, Sequence};
use crate::routes::Shared;
use crate::routes::counts::OfferCounts;

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
}

impl Queues {
    pub(super) fn new(shared: Arc<Shared>, counts: Arc<[OfferCounts]>) -> Self {
        let given = vec![false; shared.pools.len()];
        let ages = shared.routes.iter().map(|_| Ages::default()).collect();
        Self { shared, counts, given, ages }
    }

    /// Whether a route is done with something that was not taken.
    pub(super) fn has_done(&self) -> bool {
        self.shared.routes.iter().any(|route| route.durable.has_done())
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

    fn stands_at(&mut self, route: usize, position: Sequence) {
        self.shared.routes[route].durable.stands_at(position, self.ages[route].since(position));
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
