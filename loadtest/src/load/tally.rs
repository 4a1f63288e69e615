//! What one client thread counts, and the sum over threads. Only requests that were due after the warm-up are counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::connection::{Exchange, Failure, FailureKind};

/// Counts of one thread, or of all.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Requests that were due.
    pub(crate) scheduled: u64,
    /// Requests that left.
    pub(crate) sent: u64,
    /// Requests that were due but never left: all connections were busy until the end.
    pub(crate) unsent: u64,
    /// Requests whose answer had not come when the run was over.
    pub(crate) unanswered: u64,
    pub(crate) statuses: BTreeMap<u16, u64>,
    /// Each kind with its first detail.
    pub(crate) failures: BTreeMap<FailureKind, (u64, String)>,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// From the scheduled time to a 2xx answer. Requests that timed out, never left or had no answer at the end are here
    /// with the time they had taken by then: leaving them out would hide the worst of a stall.
    pub(crate) accepted: Histogram<u64>,
    /// From the scheduled time to any other answer.
    pub(crate) refused: Histogram<u64>,
    /// From the scheduled time until a connection was free: the server's part of leaving late.
    pub(crate) waited: Histogram<u64>,
    /// From then until the request left: the client's part.
    pub(crate) slip: Histogram<u64>,
}

/// A request's times, relative to its scheduled time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) waited: Duration,
    pub(crate) slip: Duration,
    pub(crate) answered: Duration,
}

/// Counts that the progress bar reads while the thread runs, the warm-up included.
#[derive(Debug, Default)]
pub(crate) struct Live {
    accepted: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            scheduled: 0,
            sent: 0,
            unsent: 0,
            unanswered: 0,
            statuses: BTreeMap::new(),
            failures: BTreeMap::new(),
            bytes_sent: 0,
            bytes_received: 0,
            accepted: histogram(),
            refused: histogram(),
            waited: histogram(),
            slip: histogram(),
        }
    }

    /// Counts a request of `size` bytes and what became of it.
    pub(crate) fn count(&mut self, size: usize, times: Times, exchange: Exchange) {
        self.sent += 1;
        self.bytes_sent += size as u64;
        self.bytes_received += exchange.received;
        record(&mut self.waited, times.waited);
        record(&mut self.slip, times.slip);
        match exchange.outcome {
            Ok(answer) => {
                *self.statuses.entry(answer.status).or_default() += 1;
                record(if is_accepted(answer.status) { &mut self.accepted } else { &mut self.refused }, times.answered);
            }
            Err(Failure { kind, detail }) => {
                self.failures.entry(kind).or_insert((0, detail)).0 += 1;
                if kind == FailureKind::Timeout {
                    record(&mut self.accepted, times.answered);
                }
            }
        }
    }

    /// Counts a request that was still without answer after `so_far`.
    pub(crate) fn count_unanswered(&mut self, so_far: Duration) {
        self.sent += 1;
        self.unanswered += 1;
        record(&mut self.accepted, so_far);
    }

    /// Counts a request that had not left after `so_far`.
    pub(crate) fn count_unsent(&mut self, so_far: Duration) {
        self.unsent += 1;
        record(&mut self.accepted, so_far);
        record(&mut self.waited, so_far);
    }

    /// Requests with an answer of 2xx, and with any other.
    pub(crate) fn answers(&self) -> (u64, u64) {
        self.statuses.iter().fold((0, 0), |(accepted, refused), (&status, &count)| {
            if is_accepted(status) { (accepted + count, refused) } else { (accepted, refused + count) }
        })
    }

    /// Adds another thread's counts.
    pub(crate) fn add(&mut self, other: Tally) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.unsent += other.unsent;
        self.unanswered += other.unanswered;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (kind, (count, detail)) in other.failures {
            self.failures.entry(kind).or_insert((0, detail)).0 += count;
        }
        for (own, others) in [
            (&mut self.accepted, other.accepted),
            (&mut self.refused, other.refused),
            (&mut self.waited, other.waited),
            (&mut self.slip, other.slip),
        ] {
            // Cannot fail: the histograms resize, and have the same precision.
            let _ = own.add(others);
        }
    }
}

impl Live {
    /// Counts a request by what became of it.
    pub(crate) fn count(&self, exchange: &Exchange) {
        let counter = match &exchange.outcome {
            Ok(answer) if is_accepted(answer.status) => &self.accepted,
            Ok(_) => &self.refused,
            Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Accepted, refused and failed requests so far.
    pub(crate) fn get(&self) -> [u64; 3] {
        [&self.accepted, &self.refused, &self.failed].map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// Whether an answer says that the event was taken.
pub(super) fn is_accepted(status: u16) -> bool {
    (200..300).contains(&status)
}

/// A histogram of nanoseconds with three digits, large enough for an hour from the start: growing takes time.
fn histogram() -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
        .unwrap_or_else(|error| unreachable!("these bounds are allowed: {error}"));
    histogram.auto(true);
    histogram
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    // Cannot fail: the histogram grows.
    let _ = histogram.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}
