//! The batches that became safe last, in memory and bounded in bytes: where readers that keep up read from.

use std::collections::VecDeque;

use crate::event::Event;
use crate::event::Sequence;

/// Recent events, dense from its oldest batch on but for the numbers that a failure has left out.
#[derive(Debug)]
pub(super) struct Ring {
    batches: VecDeque<Published>,
    bytes: usize,
    limit: usize,
}

#[derive(Debug)]
struct Published {
    first: Sequence,
    events: Vec<Event>,
    bytes: usize,
}

impl Ring {
    /// An empty ring for so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, limit }
    }

    /// Adds a batch that is safe. What is over the limit is returned, for the caller to drop outside the lock.
    pub(super) fn push(&mut self, first: Sequence, events: Vec<Event>) -> Vec<Vec<Event>> {
        let bytes = events.iter().map(Event::footprint).sum();
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

    /// Events from `from` on, at least one and then up to `max_bytes` of content. `None` if `from` is older than the ring,
    /// or so recent that nothing is here.
    pub(super) fn read(&self, from: Sequence, max_bytes: usize) -> Option<Vec<(Sequence, Event)>> {
        if self.batches.front().is_none_or(|oldest| from < oldest.first) {
            return None;
        }
        let start = self.batches.partition_point(|batch| batch.end() <= from);
        let mut read = Vec::new();
        let mut bytes = 0;
        for batch in self.batches.iter().skip(start) {
            let skipped = from.0.saturating_sub(batch.first.0) as usize;
            for (at, event) in batch.events.iter().enumerate().skip(skipped) {
                bytes += event.body().len();
                if bytes > max_bytes && !read.is_empty() {
                    return Some(read);
                }
                read.push((batch.first.plus(at as u64), event.clone()));
            }
        }
        (!read.is_empty()).then_some(read)
    }
}

impl Published {
    fn end(&self) -> Sequence {
        self.first.plus(self.events.len() as u64)
    }
}
