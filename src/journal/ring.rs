//! The batches that became safe last, in memory and bounded in bytes: where readers that keep up read from.

use std::collections::VecDeque;

use super::parked::Parked;
use crate::event::Event;
use crate::event::Sequence;

/// Recent events, dense from its oldest batch on but for the numbers that a failure has left out.
#[derive(Debug)]
pub(super) struct Ring {
    batches: VecDeque<Published>,
    bytes: usize,
    limit: usize,
}

/// What has a sequence.
#[derive(Debug)]
pub(super) enum Item {
    Event(Event),
    Parked(Box<Parked>),
}

#[derive(Debug)]
struct Published {
    first: Sequence,
    events: Vec<Item>,
    bytes: usize,
}

impl Ring {
    /// An empty ring for so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, limit }
    }

    /// Adds a batch that is safe. What is over the limit is returned, for the caller to drop outside the lock.
    pub(super) fn push(&mut self, first: Sequence, events: Vec<Item>) -> Vec<Vec<Item>> {
        let bytes = events.iter().map(Item::footprint).sum();
        self.bytes += bytes;
        self.batches.push_back(Published { first, events, bytes });
        let mut evicted = Vec::new();
        while self.bytes > self.limit {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.bytes -= oldest.bytes;
            evicted.push(oldest.events);
        }
        evicted
    }

    /// Events from `from` on, at least one if there is one and then up to `max_bytes` of content. `None` if `from` is older
    /// than the ring.
    pub(super) fn read(&self, from: Sequence, max_bytes: usize) -> Option<Vec<(Sequence, Event)>> {
        if self.batches.front().is_none_or(|oldest| from < oldest.first) {
            return None;
        }
        let start = self.batches.partition_point(|batch| batch.end() <= from);
        let mut read = Vec::new();
        let mut bytes = 0;
        for batch in self.batches.iter().skip(start) {
            let skipped = from.0.saturating_sub(batch.first.0) as usize;
            for (at, item) in batch.events.iter().enumerate().skip(skipped) {
                let Item::Event(event) = item else { continue };
                bytes += event.body().len();
                if bytes > max_bytes && !read.is_empty() {
                    return Some(read);
                }
                read.push((batch.first.plus(at as u64), event.clone()));
            }
        }
        Some(read)
    }

    /// The parked event with this sequence, if it is here.
    pub(super) fn parked(&self, sequence: Sequence) -> Option<&Parked> {
        let at = self.batches.partition_point(|batch| batch.end() <= sequence);
        let batch = self.batches.get(at).filter(|batch| batch.first <= sequence)?;
        match batch.events.get((sequence.0 - batch.first.0) as usize)? {
            Item::Parked(parked) => Some(parked),
            Item::Event(_) => None,
        }
    }
}

impl Item {
    fn footprint(&self) -> usize {
        match self {
            Item::Event(event) => event.footprint(),
            Item::Parked(parked) => parked.event.footprint() + parked.state.len() + size_of::<Parked>(),
        }
    }
}

impl Published {
    fn end(&self) -> Sequence {
        self.first.plus(self.events.len() as u64)
    }
}
