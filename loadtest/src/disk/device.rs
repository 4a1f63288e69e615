//! Synced writes of one size for a while: what a durable answer is held against.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;

use super::file::{BLOCK, Opened, Prepared};
use super::median::LONGEST_NS;

/// A file on a disk, like a segment of the journal.
pub(crate) struct Device(Prepared);

/// What the disk did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Synced {
    /// Microseconds of write and sync.
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Microseconds that an event waits which comes at any time: for the rest of the sync under way and for all of the next.
    pub(crate) arrival_p99_us: f64,
    /// Synced megabytes (10⁶ bytes) a second, one write after the other.
    pub(crate) megabytes_per_second: f64,
}

impl Device {
    /// In this directory. The file goes when this is dropped.
    pub(crate) fn new(dir: &Path) -> anyhow::Result<Self> {
        Prepared::new(dir, "device", FILE_SIZE, Opened::Buffered)
            .map(Self)
            .with_context(|| format!("cannot prepare a file in {}", dir.display()))
    }

    /// Writes and syncs pieces of this size, rounded up to whole blocks as the journal does, one after the other.
    pub(crate) fn measure(&mut self, bytes: usize, lasting: Duration) -> anyhow::Result<Synced> {
        let piece = vec![b'x'; bytes.clamp(1, FILE_SIZE as usize).next_multiple_of(BLOCK)];
        let mut latency = Histogram::<u64>::new_with_max(LONGEST_NS, 3)?;
        let (mut arrivals, mut before) = (Arrivals::new()?, None);
        let begun = Instant::now();
        while begun.elapsed() < lasting || latency.is_empty() {
            let one = Instant::now();
            self.0.append(&piece).context("cannot write")?;
            let took = one.elapsed().as_nanos() as u64;
            latency.saturating_record(took);
            if let Some(before) = before.replace(took) {
                arrivals.record(before, took);
            }
        }
        let seconds = begun.elapsed().as_secs_f64().max(f64::EPSILON);
        Ok(Synced {
            p50_us: latency.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: latency.value_at_quantile(0.99) as f64 / 1e3,
            arrival_p99_us: arrivals.value_at_quantile_us(0.99),
            megabytes_per_second: (piece.len() as u64 * latency.len()) as f64 / seconds / 1e6,
        })
    }
}

/// Waits of events that come at any time. A long sync meets more of them than a short one, which its own latency, counted once
/// for each sync, does not show.
struct Arrivals(Histogram<u64>);

impl Arrivals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_max(2 * LONGEST_NS, 3)?))
    }

    /// Events came all the time during a sync of `under_way` nanoseconds; the next one took `next`.
    fn record(&mut self, under_way: u64, next: u64) {
        for part in 0..PARTS {
            let rest = under_way * (2 * part + 1) / (2 * PARTS);
            self.0.saturating_record_n(rest + next, under_way / PARTS);
        }
    }

    fn value_at_quantile_us(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Moments of a sync that stand for all others.
const PARTS: u64 = 16;

const FILE_SIZE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_rare_long_sync_meets_as_many_events_as_its_time_has() {
        let mut arrivals = Arrivals::new().unwrap();
        // Of 100 ms, 10 in one sync.
        for _ in 0..90 {
            arrivals.record(1_000_000, 1_000_000);
        }
        arrivals.record(10_000_000, 1_000_000);
        let wait = |quantile| (arrivals.value_at_quantile_us(quantile) / 1e3).round();
        assert_eq!((wait(0.2), wait(0.85), wait(0.95), wait(1.0)), (1.0, 2.0, 6.0, 11.0));
    }

    #[test]
    fn a_disk_is_measured_and_nothing_is_left_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut device = Device::new(dir.path()).unwrap();
        let synced = device.measure(5_000, Duration::from_millis(5)).unwrap();
        assert!(
            synced.p50_us > 0.0
                && synced.p50_us <= synced.p99_us
                && synced.p50_us < synced.arrival_p99_us
                && synced.megabytes_per_second > 0.0,
            "{synced:?}"
        );
        drop(device);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
