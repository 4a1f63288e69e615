//! What dispatch does in one turn: a state machine over a journal and the routes' entrances, without threads or clocks.

use std::sync::Arc;

use super::block::{Block, Blocks};
use super::log::{Log, LogError};
use crate::event::{Event, Sequence};
use crate::routes::Progress;
use crate::routes::position::Position;

/// The entrances of the routes, which are known by their index.
pub(super) trait Outlets {
    /// Appends the routes that take an event to `matches`, each once.
    fn find(&mut self, event: &Event, matches: &mut Vec<usize>);

    /// Whether a route may take an event, if a small one. If not, it makes dispatch look again when that changes.
    fn has_room(&mut self, route: usize) -> bool;

    /// Hands an event to a route. `false` if it has no room, and as before.
    fn push(&mut self, route: usize, sequence: Sequence, event: &Event) -> bool;

    /// Makes dispatch look again when the route is done with an event.
    fn await_room(&mut self, route: usize);

    /// Swaps `empty` for the events that the route is done with since this was called last.
    fn take_done(&mut self, route: usize, empty: &mut Vec<Sequence>);

    /// Shows where a route stands.
    fn stands_at(&mut self, route: usize, position: Sequence);

    /// The route goes without an event that it matches.
    fn gave_up(&mut self, route: usize, sequence: Sequence);

    /// Wakes workers for what was pushed.
    fn wake_workers(&mut self);
}

/// The positions of all routes, and what has been read for them.
#[derive(Debug)]
pub(super) struct Machine {
    /// By route.
    lanes: Vec<Lane>,
    /// Progress of routes that are no more. It is kept, and holds what it has not passed, until the route comes back.
    removed: Vec<(Arc<str>, Progress)>,
    blocks: Blocks,
    // Kept for their memory.
    order: Vec<usize>,
    matches: Vec<usize>,
    done: Vec<Sequence>,
}

/// One route.
#[derive(Debug)]
struct Lane {
    name: Arc<str>,
    position: Position,
    /// What was recorded last.
    saved: Option<Progress>,
    /// Something has changed since.
    moved: bool,
    /// In this turn, and as far as it has come, the route takes what it matches.
    takes: bool,
    /// The journal could not be read where it stands.
    is_stuck: bool,
    /// The route goes without what it matches before this.
    given_up_before: Sequence,
}

/// What a turn came to.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// There is more to read for a route that has room.
    pub(super) more: bool,
    /// The journal cannot be read where some routes stand. They stay there until [`Machine::try_again`].
    pub(super) failed: Option<LogError>,
}

impl Machine {
    /// Routes with the progress they begin with. Each may be done with up to `window_max` events before their turn.
    pub(super) fn new(
        routes: Vec<(Arc<str>, Progress)>,
        removed: Vec<(Arc<str>, Progress)>,
        window_max: usize,
    ) -> Self {
        let lane = |(name, progress): (Arc<str>, Progress)| Lane {
            name,
            position: Position::resume(&progress, window_max),
            saved: None,
            moved: true,
            takes: false,
            is_stuck: false,
            given_up_before: Sequence(0),
        };
        Self {
            lanes: routes.into_iter().map(lane).collect(),
            removed,
            blocks: Blocks::default(),
            order: Vec::new(),
            matches: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Takes note of what is done, and hands out one block at each place where routes with room stand.
    pub(super) fn turn(&mut self, log: &mut dyn Log, outlets: &mut impl Outlets) -> Turn {
        self.collect(outlets);
        let end = log.end();
        self.choose(end, outlets);
        let Self { lanes, blocks, order, matches, .. } = self;
        let mut turn = Turn::default();
        let mut rest = order.as_slice();
        while let Some(from) = rest.first().map(|&first| lanes[first].position.next()) {
            let together = match blocks.at(from, log) {
                Ok(Some(block)) => {
                    let together = rest.partition_point(|&route| lanes[route].position.next() < block.end());
                    offer(block, from, lanes, matches, outlets);
                    for &route in &rest[..together] {
                        turn.more |= lanes[route].finish(block.end()) && lanes[route].position.next() < end;
                    }
                    outlets.wake_workers();
                    together
                }
                // The sequences that are left belong to no event.
                Ok(None) => {
                    for &route in rest {
                        lanes[route].finish(end);
                    }
                    rest.len()
                }
                Err(error) => {
                    let together = rest.partition_point(|&route| lanes[route].position.next() == from);
                    rest[..together].iter().for_each(|&route| lanes[route].stand_still());
                    turn.failed = Some(error);
                    together
                }
            };
            rest = &rest[together..];
        }
        for (at, lane) in lanes.iter().enumerate() {
            outlets.stands_at(at, lane.position.lowest());
        }
        blocks.retain(|block| lanes.iter().any(|lane| block.holds(lane.position.next())));
        turn
    }

    /// Takes note of what is done.
    pub(super) fn collect(&mut self, outlets: &mut impl Outlets) {
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            outlets.take_done(at, &mut self.done);
            lane.moved |= !self.done.is_empty();
            self.done.drain(..).for_each(|sequence| lane.position.done(sequence));
        }
    }

    /// Routes that stand where the journal could not be read try to.
    pub(super) fn try_again(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.is_stuck = false);
    }

    /// Lets a route pass its events before `to`. Those that are handed out already are passed when it is done with them.
    pub(super) fn give_up_before(&mut self, route: usize, to: Sequence) {
        let lane = &mut self.lanes[route];
        lane.given_up_before = lane.given_up_before.max(to);
    }

    /// Holds nothing any more for a route that is no more.
    pub(super) fn forget(&mut self, route: &str) {
        self.removed.retain(|(name, _)| **name != *route);
    }

    /// Whether there may be progress to record.
    pub(super) fn has_moved(&self) -> bool {
        self.lanes.iter().any(|lane| lane.moved)
    }

    /// Progress that was not yet taken.
    pub(super) fn take_moved(&mut self) -> Vec<(Arc<str>, Progress)> {
        let take = |lane: &mut Lane| {
            let progress = std::mem::take(&mut lane.moved).then(|| lane.position.progress())?;
            (lane.saved.as_ref() != Some(&progress)).then(|| lane.save(progress))
        };
        self.lanes.iter_mut().filter_map(take).collect()
    }

    /// All progress, that of removed routes included.
    pub(super) fn take_all(&mut self) -> Vec<(Arc<str>, Progress)> {
        let take = |lane: &mut Lane| {
            lane.moved = false;
            let progress = lane.position.progress();
            lane.save(progress)
        };
        let lanes: Vec<_> = self.lanes.iter_mut().map(take).collect();
        lanes.into_iter().chain(self.removed.iter().cloned()).collect()
    }

    /// The lowest sequence that some route, removed or not, is not done with. `None` without any route.
    pub(super) fn lowest(&self) -> Option<Sequence> {
        let removed = self.removed.iter().map(|(_, progress)| progress.position());
        self.lanes.iter().map(|lane| lane.position.lowest()).chain(removed).min()
    }

    /// Chooses the routes that read in this turn, the one furthest behind first.
    fn choose(&mut self, end: Sequence, outlets: &mut impl Outlets) {
        self.order.clear();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if lane.position.next() >= end || lane.is_stuck {
                continue;
            }
            let gives_up = lane.position.next() < lane.given_up_before;
            if lane.position.is_full() && !gives_up {
                outlets.await_room(at);
            } else if gives_up || outlets.has_room(at) {
                lane.takes = true;
                self.order.push(at);
            }
        }
        self.order.sort_unstable_by_key(|&at| self.lanes[at].position.next());
    }

    #[cfg(test)]
    pub(super) fn events_held(&self) -> usize {
        self.blocks.events_held()
    }

    #[cfg(test)]
    pub(super) fn position(&self, route: usize) -> &Position {
        &self.lanes[route].position
    }
}

/// Offers each event of a block from `from` on to the routes that match it and have come to it.
fn offer(block: &Block, from: Sequence, lanes: &mut [Lane], matches: &mut Vec<usize>, outlets: &mut impl Outlets) {
    let events = block.events();
    let first = events.partition_point(|(sequence, _)| *sequence < from);
    for (sequence, event) in &events[first..] {
        matches.clear();
        outlets.find(event, matches);
        for &route in &*matches {
            if let Some(lane) = lanes.get_mut(route).filter(|lane| lane.is_due(*sequence)) {
                lane.take(route, *sequence, event, outlets);
            }
        }
    }
}

impl Lane {
    fn is_due(&self, sequence: Sequence) -> bool {
        self.takes && sequence >= self.position.next() && !self.position.was_done(sequence)
    }

    fn take(&mut self, route: usize, sequence: Sequence, event: &Event, outlets: &mut impl Outlets) {
        if sequence < self.given_up_before {
            outlets.gave_up(route, sequence);
            self.moved = true;
            return self.position.pass(sequence.next());
        }
        if self.position.is_full() {
            outlets.await_room(route);
            self.takes = false;
        } else {
            self.takes = outlets.push(route, sequence, event);
        }
        self.moved = true;
        if self.takes {
            self.position.hand_out(sequence);
        } else {
            self.position.pass(sequence);
        }
    }

    /// The block up to `end` has been offered. `true` if the route has taken all that it matches.
    fn finish(&mut self, end: Sequence) -> bool {
        // Blocks that are offered later in this turn do not begin where it stands now.
        let took = std::mem::take(&mut self.takes);
        if took {
            self.moved = true;
            self.position.pass(end);
        }
        took
    }

    /// The journal cannot be read where it stands.
    fn stand_still(&mut self) {
        self.takes = false;
        self.is_stuck = true;
    }

    fn save(&mut self, progress: Progress) -> (Arc<str>, Progress) {
        self.saved = Some(progress.clone());
        (Arc::clone(&self.name), progress)
    }
}
