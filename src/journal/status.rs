//! The journal as others see it: metrics, readiness, dashboard.

use super::ids::WindowStatus;
use super::mutex::locked;
use super::shared::{Shared, Trouble};
use crate::counters::LATENCY_BOUNDS_US;
use crate::event::Sequence;
use std::time::Instant;

/// The journal at one moment.
#[derive(Debug, Clone)]
pub(crate) struct JournalStatus {
    /// Segments, without those that wait to become one.
    pub(crate) segments: usize,
    /// Bytes of their files.
    pub(crate) bytes: u64,
    /// What all files may have together.
    pub(crate) max_size: u64,
    /// The first event that is kept.
    pub(crate) oldest: Sequence,
    /// The next event that is not safe.
    pub(crate) synced_end: Sequence,
    /// Events that wait to be written.
    pub(crate) queue_events: usize,
    /// Bytes of them.
    pub(crate) queue_bytes: usize,
    /// Events of which a client has not been told yet what became of them.
    pub(crate) open_receipts: usize,
    /// Batches written since start: more events than batches means that they are gathered.
    pub(crate) batches: u64,
    /// Events in them.
    pub(crate) events: u64,
    /// Bytes of them, whole blocks.
    pub(crate) batch_bytes: u64,
    /// Batches that failed.
    pub(crate) failures: u64,
    /// Write and sync of a batch: counts per bucket of [`LATENCY_BOUNDS_US`], not cumulated; and the sum in microseconds.
    pub(crate) sync: ([u64; LATENCY_BOUNDS_US.len() + 1], u64),
    /// Why no event is taken, if none is.
    pub(crate) trouble: Option<Trouble>,
    /// The windows of duplicates, by source.
    pub(crate) windows: Vec<WindowStatus>,
}

impl JournalStatus {
    pub(super) fn of(shared: &Shared, max_size: u64) -> Self {
        let (segments, bytes) = shared.catalog.size();
        let (queue_events, queue_bytes) = shared.queue();
        let now = shared.id_time(Instant::now());
        let counts = &shared.counts;
        Self {
            segments,
            bytes,
            max_size,
            oldest: shared.catalog.oldest(),
            synced_end: shared.synced_end(),
            queue_events,
            queue_bytes,
            open_receipts: shared.open_receipts(),
            batches: counts.batches.get(),
            events: counts.events.get(),
            batch_bytes: counts.bytes.get(),
            failures: counts.failures.get(),
            sync: counts.sync.read(),
            trouble: locked(&shared.trouble).clone(),
            windows: shared.windows.iter().map(|(bounds, seen)| seen.status(bounds, now)).collect(),
        }
    }
}
