//! The journal as routes read it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::event::{Event, Sequence};
use crate::journal::{ParkOutcome, Parked, ReadParked};
use crate::routes::Progress;

/// A journal that can be read, and that keeps the routes' progress.
pub(crate) trait Log: Send + 'static {
    /// Safe events from `from` on, in their order: as many as `max_bytes` hold, and at least one if there is one. None means
    /// that there is none from `from` to the end. Sequences that are missing in between do not exist, or no more. May block
    /// for reading files.
    fn read(&mut self, from: Sequence, max_bytes: usize) -> Result<Vec<(Sequence, Event)>, LogError>;

    /// The lowest sequence that is not yet safe.
    fn end(&self) -> Sequence;

    /// Bytes between `from` and the end, about.
    fn bytes_from(&self, from: Sequence) -> u64;

    /// The first sequence from which on there are no more than so many bytes, by the same measure.
    fn last_bytes(&self, bytes: u64) -> Sequence;

    /// A place before the first event that was received at `time` or later, not far from it.
    fn begins_before(&self, time: SystemTime) -> Sequence;

    /// Records progress of some routes, and parked events that are done, with the next batch that is written. Nobody waits
    /// for it.
    fn save(&mut self, progress: Vec<(Arc<str>, Progress)>, settled: Vec<Sequence>);

    /// Appends events again, to wait for another attempt. What becomes of each is told later, once.
    fn park(&mut self, parking: Vec<Parked>);

    /// What has become of such events, and of those that others have appended for a route.
    fn take_park_outcomes(&mut self) -> Vec<ParkOutcome>;

    /// An event that is parked and not done. May block for reading files.
    fn read_parked(&mut self, place: Sequence) -> Result<ReadParked, LogError>;

    /// Keeps nothing more of a route that is no more, nor of its parked events.
    fn forget(&mut self, route: &Arc<str>);

    /// No route needs anything before this.
    fn release_before(&mut self, lowest: Sequence);
}

/// Why the journal cannot be read. It says itself what and where, and what to do about it.
#[derive(Debug)]
pub(crate) struct LogError(Box<dyn Error + Send + Sync>);

impl LogError {
    pub(crate) fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
