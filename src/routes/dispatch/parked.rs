//! The parked events of one route that lie in the journal: which are open, and when the others are due. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::event::Sequence;

/// Of each event its place and the time it is due: all that memory holds of it here.
#[derive(Debug, Default)]
pub(super) struct ParkedEvents {
    /// Not done with, wherever they are.
    open: BTreeSet<Sequence>,
    /// Of them, those that were not handed out, by due time in milliseconds since 1970.
    waiting: BinaryHeap<Reverse<(u64, Sequence)>>,
}

impl ParkedEvents {
    /// One lies in the journal.
    pub(super) fn insert(&mut self, place: Sequence, due_ms: u64) {
        if self.open.insert(place) {
            self.waiting.push(Reverse((due_ms, place)));
        }
    }

    /// The route is done with one that was handed out. `false` if there is none at this place.
    pub(super) fn close(&mut self, place: Sequence) -> bool {
        self.open.remove(&place)
    }

    /// The one that is to be handed out next, if it is due.
    pub(super) fn due(&self, now_ms: u64) -> Option<Sequence> {
        self.waiting.peek().filter(|Reverse((due_ms, _))| *due_ms <= now_ms).map(|Reverse((_, place))| *place)
    }

    /// When that is.
    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.waiting.peek().map(|Reverse((due_ms, _))| *due_ms)
    }

    /// It is handed out.
    pub(super) fn hand_out(&mut self) {
        self.waiting.pop();
    }

    /// The route goes without those before `to` that were not handed out.
    pub(super) fn drop_before(&mut self, to: Sequence) -> Vec<Sequence> {
        if self.lowest().is_none_or(|lowest| lowest >= to) {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut self.waiting).into_vec().into_iter();
        let (before, rest): (Vec<_>, Vec<_>) = waiting.partition(|Reverse((_, place))| *place < to);
        self.waiting = rest.into();
        let dropped: Vec<_> = before.into_iter().map(|Reverse((_, place))| place).collect();
        for place in &dropped {
            self.open.remove(place);
        }
        dropped
    }

    /// It cannot be read and is due later.
    pub(super) fn put_off(&mut self, due_ms: u64) {
        if let Some(Reverse((_, place))) = self.waiting.pop() {
            self.waiting.push(Reverse((due_ms, place)));
        }
    }

    /// Those that the route is not done with.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Of them, those that wait for their time.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing before this is needed for them.
    pub(super) fn lowest(&self) -> Option<Sequence> {
        self.open.first().copied()
    }
}
