//! Counts and latencies.
//!
//! On the io path every counter has one writer, its thread, and many readers: adding is a load and a store without a lock
//! prefix, and a reader sums over the threads. Where several workers count the same thing, [`SharedCounter`] is used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::refusal::Refusal;

/// A count with one writing thread.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only the owning thread may call this: two writers would lose counts.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`, under the same condition.
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Replaces it, under the same condition.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The count now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A count with any number of writers.
#[derive(Debug, Default)]
pub(crate) struct SharedCounter(AtomicU64);

impl SharedCounter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The count now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What both kinds of counter can do.
pub(crate) trait Count {
    /// Adds `n`.
    fn add(&self, n: u64);
    /// The count now.
    fn get(&self) -> u64;
}

impl Count for Counter {
    fn add(&self, n: u64) {
        self.add(n);
    }

    fn get(&self) -> u64 {
        self.get()
    }
}

impl Count for SharedCounter {
    fn add(&self, n: u64) {
        self.add(n);
    }

    fn get(&self) -> u64 {
        self.get()
    }
}

/// Upper bounds of the latency buckets, in microseconds. What is above the last is in the bucket `+Inf`.
pub(crate) const LATENCY_BOUNDS_US: [u64; 18] = [
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 204_800, 409_600, 1_000_000,
    3_000_000, 10_000_000, 60_000_000,
];

/// A latency histogram with fixed buckets, of counters for one writing thread or for several.
#[derive(Debug, Default)]
pub(crate) struct Latencies<C = SharedCounter> {
    buckets: [C; LATENCY_BOUNDS_US.len() + 1],
    sum_us: C,
}

impl<C: Count> Latencies<C> {
    /// Counts one latency.
    pub(crate) fn record(&self, latency: Duration) {
        let us = latency.as_micros() as u64;
        let bucket = LATENCY_BOUNDS_US.partition_point(|&bound| bound < us);
        self.buckets[bucket].add(1);
        self.sum_us.add(us);
    }

    /// Counts per bucket, not cumulated, the last one being `+Inf`; and the sum in microseconds.
    pub(crate) fn read(&self) -> ([u64; LATENCY_BOUNDS_US.len() + 1], u64) {
        (std::array::from_fn(|at| self.buckets[at].get()), self.sum_us.get())
    }
}

/// Refused requests, by their reason.
#[derive(Debug)]
pub(crate) struct RefusalCounters([Counter; Refusal::ALL.len()]);

impl Default for RefusalCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl RefusalCounters {
    /// Counts one. Only the owning thread may call this.
    pub(crate) fn note(&self, refusal: Refusal) {
        if let Some(count) = self.0.get(refusal.index()) {
            count.increment();
        }
    }

    /// The count for one reason.
    pub(crate) fn get(&self, refusal: Refusal) -> u64 {
        self.0.get(refusal.index()).map_or(0, Counter::get)
    }
}

/// What one io thread counts about one source.
#[derive(Debug, Default)]
pub(crate) struct SourceCounters {
    /// Events accepted and acknowledged.
    pub(crate) accepted: Counter,
    /// When the last of them came, in seconds of the Unix epoch; 0 before the first.
    pub(crate) last_accepted: Counter,
    /// Accepted events that no route matched.
    pub(crate) unrouted: Counter,
    /// Deliveries of an id that was already safe: answered with success and not delivered again.
    pub(crate) duplicates: Counter,
    /// Requests that were taken apart into their events, of which there may be none.
    pub(crate) batches: Counter,
    /// Handshakes answered.
    pub(crate) handshakes: Counter,
    /// Bytes of accepted bodies.
    pub(crate) body_bytes: Counter,
    /// Refused requests.
    pub(crate) refused: RefusalCounters,
    /// Answers that left within the source's deadline.
    pub(crate) deadline_met: Counter,
    /// Answers that left after it.
    pub(crate) deadline_missed: Counter,
    /// First byte of the head to the answer, for accepted events.
    pub(crate) ack: Latencies<Counter>,
}

/// What one io thread counts about its connections and about requests that reached no source.
#[derive(Debug, Default)]
pub(crate) struct ListenCounters {
    /// Connections accepted.
    pub(crate) connections_opened: Counter,
    /// Connections ended, for whatever reason.
    pub(crate) connections_closed: Counter,
    /// Connections turned away at the connection limit.
    pub(crate) connections_refused: Counter,
    /// Connections ended because what came was not HTTP/1.1 as hyper reads it: answered with 400, 414 or 431 by itself.
    pub(crate) malformed: Counter,
    /// Connections closed because the head of a request took too long.
    pub(crate) head_timeouts: Counter,
    /// Idle connections closed.
    pub(crate) idle_timeouts: Counter,
    /// Connections closed because the client did not take its answer.
    pub(crate) write_timeouts: Counter,
    /// Connections closed before a request because there was no TLS, no common ground for it, or no certificate to trust.
    pub(crate) handshakes_failed: Counter,
    /// Handshakes cut off because too many others were unfinished.
    pub(crate) handshakes_dropped: Counter,
    /// Connections closed because they did not begin with the PROXY header they must begin with.
    pub(crate) bad_proxy_headers: Counter,
    /// HTTP/2 connections closed for much that is no request.
    pub(crate) floods: Counter,
    /// Requests that no source could be found for.
    pub(crate) refused: RefusalCounters,
}

/// Everything one io thread counts. Aligned so that two threads never write to one cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct IoCounters {
    pub(crate) listen: ListenCounters,
    sources: Vec<SourceCounters>,
    /// For an index that is no source's.
    stray: SourceCounters,
}

impl IoCounters {
    /// Counters for a configuration of so many sources.
    pub(crate) fn new(sources: usize) -> Self {
        Self {
            listen: ListenCounters::default(),
            sources: std::iter::repeat_with(SourceCounters::default).take(sources).collect(),
            stray: SourceCounters::default(),
        }
    }

    /// The counters of a source, by its index in the configuration.
    pub(crate) fn source(&self, at: usize) -> &SourceCounters {
        self.sources.get(at).unwrap_or(&self.stray)
    }
}

impl AsRef<ListenCounters> for IoCounters {
    fn as_ref(&self) -> &ListenCounters {
        &self.listen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_first_bucket_that_holds_it() {
        let latencies: Latencies = Latencies::default();
        latencies.record(Duration::from_micros(50));
        latencies.record(Duration::from_micros(51));
        latencies.record(Duration::from_hours(1));
        let (buckets, sum_us) = latencies.read();
        assert_eq!((buckets[0], buckets[1], buckets[LATENCY_BOUNDS_US.len()]), (1, 1, 1));
        assert_eq!(sum_us, 50 + 51 + 3_600_000_000);
    }
}
