//! What arrived, by the event, however many come in a request. Shared by all threads.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

/// Counts of events.
#[derive(Debug)]
pub(crate) struct Counts {
    since: Instant,
    requests: AtomicU64,
    events: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    distinct: AtomicU64,
    duplicates: AtomicU64,
    without_id: AtomicU64,
    bytes: AtomicU64,
    hasher: RandomState,
    /// Ids seen, as keyed 64-bit hashes: two among ten million are alike by chance once in 370,000 runs.
    seen: [Mutex<HashSet<u64>>; SHARDS],
}

/// The counts at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Stats {
    /// Requests whose body has arrived.
    pub(crate) requests: u64,
    /// Events in them: one in each that is no batch, or one that cannot be read.
    pub(crate) events: u64,
    /// Those answered with success.
    pub(crate) succeeded: u64,
    /// Those answered with an error.
    pub(crate) failed: u64,
    /// Different ids among the successful.
    pub(crate) distinct: u64,
    /// Repeated ids among the successful.
    pub(crate) duplicates: u64,
    /// Successful ones that had no id.
    pub(crate) without_id: u64,
    /// Bytes of all bodies.
    pub(crate) bytes: u64,
    /// Since the start.
    pub(crate) seconds: f64,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            requests: AtomicU64::new(0),
            events: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            distinct: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            without_id: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            hasher: RandomState::new(),
            seen: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// A request with so many events has arrived.
    pub(crate) fn arrived(&self, events: usize, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        let bytes = bytes as u64;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many events are about to be answered with an error.
    pub(crate) fn failed(&self, events: usize) {
        self.failed.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// An event is about to be answered with success. Gives how many distinct events there are now.
    pub(crate) fn succeeded(&self, id: Option<&[u8]>) -> u64 {
        self.succeeded.fetch_add(1, Ordering::Relaxed);
        let Some(id) = id else {
            self.without_id.fetch_add(1, Ordering::Relaxed);
            return self.distinct.load(Ordering::Relaxed);
        };
        let hash = self.hasher.hash_one(id);
        let Some(shard) = self.seen.get(hash as usize % SHARDS) else { return 0 };
        if shard.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            self.distinct.fetch_add(1, Ordering::Relaxed) + 1
        } else {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
            self.distinct.load(Ordering::Relaxed)
        }
    }

    /// The counts now.
    pub(crate) fn read(&self) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            requests: get(&self.requests),
            events: get(&self.events),
            succeeded: get(&self.succeeded),
            failed: get(&self.failed),
            distinct: get(&self.distinct),
            duplicates: get(&self.duplicates),
            without_id: get(&self.without_id),
            bytes: get(&self.bytes),
            seconds: self.since.elapsed().as_secs_f64(),
        }
    }
}

const SHARDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_comes_again_is_a_duplicate() {
        let counts = Counts::new();
        assert_eq!([b"a", b"b", b"a"].map(|id| counts.succeeded(Some(id))), [1, 2, 2]);
        counts.succeeded(None);
        let stats = counts.read();
        assert_eq!((stats.succeeded, stats.distinct, stats.duplicates, stats.without_id), (4, 2, 1, 1));
    }

    #[test]
    fn a_delivery_that_failed_may_come_again() {
        let counts = Counts::new();
        counts.failed(1);
        counts.succeeded(Some(b"a"));
        assert_eq!((counts.read().failed, counts.read().duplicates), (1, 0));
    }
}
