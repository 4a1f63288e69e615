//! What dispatch does in one turn: a state machine over a journal and the routes' entrances, without threads or clocks.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::block::{Block, Blocks};
use super::log::{Log, LogError};
use super::parked::ParkedEvents;
use super::removed::RemovedRoutes;
use crate::event::{Event, Sequence};
use crate::journal::{OpenParked, ParkOutcome, Parked, ReadParked};
use crate::routes::Progress;
use crate::routes::durable::Stand;
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

    /// Appends the events that have failed and are to be parked in the journal. Until their outcome is told they are held.
    fn take_failed(&mut self, route: usize, parking: &mut Vec<Parked>);

    /// The event that was held is safe where it is parked now.
    fn let_go(&mut self, route: usize, held: Sequence);

    /// The event that was held could not be parked: the route keeps it in memory until it is due.
    fn keep(&mut self, route: usize, held: Sequence);

    /// Hands an event to a route that was parked in the journal. `false` if it has no room; dispatch looks again when it has.
    fn push_parked(&mut self, route: usize, place: Sequence, read: ReadParked) -> bool;

    /// Shows where a route stands.
    fn stands_at(&mut self, route: usize, stand: Stand);

    /// The route goes without an event that it matches and was not handed.
    fn gave_up(&mut self, route: usize, sequence: Sequence);

    /// Wakes workers for what was pushed.
    fn wake_workers(&mut self);
}

/// The positions of all routes, and what has been read for them.
#[derive(Debug)]
pub(super) struct Machine {
    /// By route.
    lanes: Vec<Lane>,
    /// Routes that are no more. What they are not done with is kept until they come back or are forgotten.
    removed: RemovedRoutes,
    /// Parked events that are done, since it was recorded last.
    settled: Vec<Sequence>,
    blocks: Blocks,
    // Kept for their memory.
    order: Vec<usize>,
    matches: Vec<usize>,
    done: Vec<Sequence>,
}

/// A route as it begins.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) name: Arc<str>,
    pub(super) progress: Progress,
    /// With so many parked events it takes no new ones.
    pub(super) max_parked: usize,
}

/// One route.
#[derive(Debug)]
struct Lane {
    name: Arc<str>,
    position: Position,
    parked: ParkedEvents,
    max_parked: usize,
    /// Events that were parked before the process began and that its position may not have passed.
    begun: BTreeSet<Sequence>,
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
    /// When the next parked event is due, in milliseconds since 1970, if a route waits for that.
    pub(super) next_due_ms: Option<u64>,
    /// The journal cannot be read where some routes stand. They stay there until [`Machine::try_again`].
    pub(super) failed: Option<LogError>,
}

impl Machine {
    /// Routes with the progress they begin with, and the parked events that are open. Each route may be done with up to
    /// `window_max` events before their turn.
    pub(super) fn new(
        routes: Vec<Start>,
        removed: Vec<(Arc<str>, Progress)>,
        parked: Vec<OpenParked>,
        window_max: usize,
    ) -> Self {
        let lane = |start: Start| Lane {
            name: start.name,
            position: Position::resume(&start.progress, window_max),
            parked: ParkedEvents::default(),
            max_parked: start.max_parked,
            begun: BTreeSet::new(),
            saved: None,
            moved: true,
            takes: false,
            is_stuck: false,
            given_up_before: Sequence(0),
        };
        let mut machine = Self {
            lanes: routes.into_iter().map(lane).collect(),
            removed: RemovedRoutes::new(removed),
            settled: Vec::new(),
            blocks: Blocks::default(),
            order: Vec::new(),
            matches: Vec::new(),
            done: Vec::new(),
        };
        for OpenParked { route, sequence, due_ms, original } in parked {
            match machine.lanes.iter_mut().find(|lane| lane.name == route) {
                Some(lane) => {
                    lane.parked.insert(sequence, due_ms);
                    // The record of the progress may have been lost that says so.
                    lane.begun.extend(original.filter(|original| *original >= lane.position.next()));
                }
                None => machine.removed.park(route, sequence),
            }
        }
        machine
    }

    /// Takes note of what is done and what has failed, hands out parked events that are due, and one block at each place
    /// where routes with room stand.
    pub(super) fn turn(&mut self, now_ms: u64, log: &mut dyn Log, outlets: &mut impl Outlets) -> Turn {
        self.collect(log, outlets);
        let mut turn = Turn::default();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.take_due(at, now_ms, log, outlets, &mut turn);
        }
        let end = log.end();
        self.choose(end, outlets);
        let Self { lanes, blocks, order, matches, .. } = self;
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
            outlets.stands_at(at, lane.stand());
        }
        outlets.wake_workers();
        blocks.retain(|block| lanes.iter().any(|lane| block.holds(lane.position.next())));
        turn
    }

    /// Takes note of what is done, has what failed parked, and takes note of what is.
    pub(super) fn collect(&mut self, log: &mut dyn Log, outlets: &mut impl Outlets) {
        let mut parking = Vec::new();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            outlets.take_done(at, &mut self.done);
            lane.moved |= !self.done.is_empty();
            self.settled.extend(self.done.drain(..).filter(|sequence| lane.done(*sequence)));
            outlets.take_failed(at, &mut parking);
        }
        if !parking.is_empty() {
            log.park(parking);
        }
        for outcome in log.take_park_outcomes() {
            self.note(&outcome, outlets);
        }
    }

    fn note(&mut self, outcome: &ParkOutcome, outlets: &mut impl Outlets) {
        let Some((at, lane)) = self.lanes.iter_mut().enumerate().find(|(_, lane)| lane.name == outcome.route) else {
            return outcome.place.into_iter().for_each(|place| self.removed.park(Arc::clone(&outcome.route), place));
        };
        match (outcome.place, outcome.replaces) {
            (Some(place), replaced) => {
                lane.parked.insert(place, outcome.due_ms);
                lane.moved = true;
                if let Some(replaced) = replaced {
                    // The new record says it by itself.
                    lane.done(replaced);
                    outlets.let_go(at, replaced);
                }
            }
            (None, Some(held)) => outlets.keep(at, held),
            (None, None) => {}
        }
    }

    /// Routes that stand where the journal could not be read try to.
    pub(super) fn try_again(&mut self) {
        self.lanes.iter_mut().for_each(|lane| lane.is_stuck = false);
    }

    /// Lets a route pass its events before `to`, and drops those that are parked there. What is handed out already is passed
    /// when the route is done with it. Returns the places of those that were dropped.
    pub(super) fn give_up_before(&mut self, route: usize, to: Sequence) -> Vec<Sequence> {
        let lane = &mut self.lanes[route];
        lane.given_up_before = lane.given_up_before.max(to);
        let dropped = lane.parked.drop_before(to);
        lane.moved |= !dropped.is_empty();
        self.settled.extend(&dropped);
        dropped
    }

    /// Holds nothing any more for a route that is no more.
    pub(super) fn forget(&mut self, route: &str) {
        self.removed.forget(route);
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

    /// Parked events that are done, of which that was not yet taken. It belongs beside the progress.
    pub(super) fn take_settled(&mut self) -> Vec<Sequence> {
        std::mem::take(&mut self.settled)
    }

    /// All progress, that of removed routes included.
    pub(super) fn take_all(&mut self) -> Vec<(Arc<str>, Progress)> {
        let take = |lane: &mut Lane| {
            lane.moved = false;
            let progress = lane.position.progress();
            lane.save(progress)
        };
        let lanes: Vec<_> = self.lanes.iter_mut().map(take).collect();
        lanes.into_iter().chain(self.removed.progress()).collect()
    }

    /// The lowest sequence that some route, removed or not, is not done with. `None` without any route.
    pub(super) fn lowest(&self) -> Option<Sequence> {
        self.lanes.iter().map(|lane| lane.stand().holds_from).chain(self.removed.lowest()).min()
    }

    /// Where each route stands, in their order.
    pub(super) fn stands(&self) -> impl Iterator<Item = Stand> {
        self.lanes.iter().map(Lane::stand)
    }

    /// Likewise, those that are no more.
    pub(super) fn removed(&self) -> &RemovedRoutes {
        &self.removed
    }

    /// Chooses the routes that read in this turn, the one furthest behind first.
    fn choose(&mut self, end: Sequence, outlets: &mut impl Outlets) {
        self.order.clear();
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if lane.position.next() >= end || lane.is_stuck {
                continue;
            }
            let gives_up = lane.position.next() < lane.given_up_before;
            if !gives_up && lane.is_full() {
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
    pub(super) fn parked(&self, route: usize) -> usize {
        self.lanes[route].parked.len()
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
    fn stand(&self) -> Stand {
        let position = self.position.lowest();
        let holds_from = self.parked.lowest().map_or(position, |parked| parked.min(position));
        Stand { position, holds_from, parked: self.parked.waiting() }
    }

    /// It takes nothing new, whatever room it has.
    fn is_full(&self) -> bool {
        self.position.is_full() || self.parked.len() >= self.max_parked
    }

    fn is_due(&self, sequence: Sequence) -> bool {
        self.takes
            && sequence >= self.position.next()
            && !self.position.was_done(sequence)
            && !self.begun.contains(&sequence)
    }

    /// The route is done with an event where it lay. `true` if it was parked there.
    fn done(&mut self, sequence: Sequence) -> bool {
        let was_parked = self.parked.close(sequence);
        if !was_parked {
            self.position.done(sequence);
        }
        was_parked
    }

    /// Hands out the parked events that are due, as far as there is room.
    fn take_due(&mut self, at: usize, now_ms: u64, log: &mut dyn Log, outlets: &mut impl Outlets, turn: &mut Turn) {
        for _ in 0..DUE_PER_TURN {
            let Some(place) = self.parked.due(now_ms) else { break };
            if !outlets.has_room(at) {
                return;
            }
            match log.read_parked(place) {
                Ok(read) => {
                    if !outlets.push_parked(at, place, read) {
                        return;
                    }
                    self.parked.hand_out();
                }
                Err(error) => {
                    self.parked.put_off(now_ms + UNREADABLE_MS);
                    turn.failed = Some(error);
                }
            }
        }
        turn.more |= self.parked.due(now_ms).is_some();
        turn.next_due_ms = [turn.next_due_ms, self.parked.next_due_ms()].into_iter().flatten().min();
    }

    fn take(&mut self, route: usize, sequence: Sequence, event: &Event, outlets: &mut impl Outlets) {
        if sequence < self.given_up_before {
            outlets.gave_up(route, sequence);
            self.moved = true;
            return self.position.pass(sequence.next());
        }
        if self.is_full() {
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
            if !self.begun.is_empty() {
                self.begun = self.begun.split_off(&self.position.next());
            }
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

/// Parked events that are read for one route in one turn: the others wait meanwhile.
const DUE_PER_TURN: usize = 256;

/// Before a parked event that cannot be read is tried again.
const UNREADABLE_MS: u64 = 5_000;
