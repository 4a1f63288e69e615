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
        let begun = Instant::now();
        while begun.elapsed() < lasting || latency.is_empty() {
            let one = Instant::now();
            self.0.append(&piece).context("cannot write")?;
            latency.saturating_record(one.elapsed().as_nanos() as u64);
        }
        let seconds = begun.elapsed().as_secs_f64().max(f64::EPSILON);
        Ok(Synced {
            p50_us: latency.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: latency.value_at_quantile(0.99) as f64 / 1e3,
            megabytes_per_second: (piece.len() as u64 * latency.len()) as f64 / seconds / 1e6,
        })
    }
}

const FILE_SIZE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_disk_is_measured_and_nothing_is_left_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut device = Device::new(dir.path()).unwrap();
        let synced = device.measure(5_000, Duration::from_millis(5)).unwrap();
        assert!(
            synced.p50_us > 0.0 && synced.p50_us <= synced.p99_us && synced.megabytes_per_second > 0.0,
            "{synced:?}"
        );
        drop(device);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
