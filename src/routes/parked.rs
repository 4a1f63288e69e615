//! Events that wait for their next attempt, by the time at which it is due.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use super::lock::lock;
use super::waiting::Waiting;
use crate::event::Sequence;

/// The parked events of one route, shared by its workers.
#[derive(Debug, Default)]
pub(super) struct Parked {
    events: Mutex<Heap>,
    /// Lets a worker look without the lock at routes that have none, which is most of them.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Heap {
    by_due: BinaryHeap<Reverse<Entry>>,
    parked_so_far: u64,
}

impl Parked {
    /// Parks an event.
    pub(super) fn park(&self, waiting: Waiting, due: Instant) {
        let mut heap = lock(&self.events);
        let number = heap.parked_so_far;
        heap.parked_so_far += 1;
        heap.by_due.push(Reverse(Entry { due, number, waiting }));
        self.count.store(heap.by_due.len(), SeqCst);
    }

    /// Takes up to `max` events that are due, the longest due first, until they have so many bytes. Gives how many they have.
    pub(super) fn take_due(&self, max: usize, bytes_max: usize, now: Instant, into: &mut Vec<Waiting>) -> usize {
        if self.len() == 0 {
            return 0;
        }
        let mut bytes = 0;
        let mut heap = lock(&self.events);
        while into.len() < max
            && bytes < bytes_max
            && let Some(Reverse(first)) = heap.by_due.peek()
            && first.due <= now
        {
            let Some(Reverse(entry)) = heap.by_due.pop() else { break };
            bytes += entry.waiting.bytes();
            into.push(entry.waiting);
        }
        self.count.store(heap.by_due.len(), SeqCst);
        bytes
    }

    /// Takes all events that lie in the journal too.
    pub(super) fn take_durable(&self) -> Vec<Waiting> {
        let mut heap = lock(&self.events);
        let entries = std::mem::take(&mut heap.by_due).into_vec().into_iter();
        let (durable, memory): (Vec<_>, Vec<_>) =
            entries.partition(|Reverse(entry)| entry.waiting.sequence().is_some());
        heap.by_due = memory.into();
        self.count.store(heap.by_due.len(), SeqCst);
        durable.into_iter().map(|Reverse(entry)| entry.waiting).collect()
    }

    /// Takes the events of the journal before `to`.
    pub(super) fn take_before(&self, to: Sequence) -> Vec<Waiting> {
        let mut heap = lock(&self.events);
        let entries = std::mem::take(&mut heap.by_due).into_vec().into_iter();
        let (before, rest): (Vec<_>, Vec<_>) =
            entries.partition(|Reverse(entry)| entry.waiting.sequence().is_some_and(|sequence| sequence < to));
        heap.by_due = rest.into();
        self.count.store(heap.by_due.len(), SeqCst);
        before.into_iter().map(|Reverse(entry)| entry.waiting).collect()
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.len() == 0 {
            return None;
        }
        lock(&self.events).by_due.peek().map(|Reverse(entry)| entry.due)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(SeqCst)
    }

    /// When the oldest was received.
    pub(super) fn oldest(&self) -> Option<Instant> {
        lock(&self.events).by_due.iter().map(|Reverse(entry)| entry.waiting.event().received_at()).min()
    }
}

/// Ordered by due time; those due at the same time in the order in which they were parked.
#[derive(Debug)]
struct Entry {
    due: Instant,
    number: u64,
    waiting: Waiting,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}
