//! A route as dispatch fills it with events of the journal, parks those that failed, and has it go without some.

use std::time::{Duration, Instant};

use super::route::Route;
use super::waiting::Waiting;
use crate::event::{Event, Sequence};
use crate::journal::ReadParked;

impl Route {
    /// Whether there is a place, if not for every body. If not, dispatch is woken when there is.
    pub(super) fn has_room(&self) -> bool {
        self.queue.has_room(0) || {
            self.durable.want(0);
            self.queue.has_room(0)
        }
    }

    /// Takes an event of the journal. `false` if there is no room; dispatch is woken when there is.
    pub(super) fn take_from_journal(&self, sequence: Sequence, event: &Event) -> bool {
        let has_room = self.reserve_for_journal(event);
        if has_room {
            self.queue.push(Waiting::new(event.clone(), Some(sequence), self.outages()));
        }
        has_room
    }

    /// Takes an event back that was parked in the journal, likewise. It goes out before those that were never tried.
    pub(super) fn take_back(&self, place: Sequence, read: ReadParked, due: Instant) -> bool {
        let has_room = self.reserve_for_journal(&read.event);
        if has_room {
            self.parked.park(Waiting::parked(read, place, self.outages()), due);
        }
        has_room
    }

    fn reserve_for_journal(&self, event: &Event) -> bool {
        let bytes = event.body().len();
        if !self.queue.reserve(bytes) {
            self.durable.want(bytes);
            if !self.queue.reserve(bytes) {
                return false;
            }
            self.durable.want_nothing();
        }
        self.durable.hold();
        true
    }

    /// Goes without its events of the journal before `to`, but for those that are being delivered. The caller has to wake a
    /// worker of the pool: one may have looked while nothing was in the queue.
    pub(super) fn give_up_before(&self, to: Sequence) {
        let mut given_up = self.parked.take_before(to);
        for _ in 0..self.queue.len() {
            match self.queue.take() {
                Some(waiting) if waiting.sequence().is_some_and(|sequence| sequence < to) => given_up.push(waiting),
                Some(waiting) => self.queue.push(waiting),
                None => break,
            }
        }
        for waiting in given_up {
            self.counts.given_up.increment();
            self.done(&waiting);
        }
    }

    /// An event is safe where it is parked now: its place is given back.
    pub(super) fn parked_in_journal(&self, waiting: &Waiting) {
        self.durable.let_go();
        self.queue.release(waiting.bytes());
        self.durable.offer_room(&self.queue);
    }

    /// An event could not be parked in the journal and keeps its place. The caller has to wake a worker of the pool.
    pub(super) fn park_in_memory(&self, waiting: Waiting, due: Instant) {
        self.parked.park(waiting, due);
    }

    /// What is kept of an event beside itself when it is parked in the journal.
    pub(super) fn state_of(&self, waiting: &Waiting) -> Vec<u8> {
        waiting.state(self.outages())
    }

    /// The longest an event waits for its next attempt.
    pub(super) fn longest_backoff(&self) -> Duration {
        self.retry.max
    }
}
