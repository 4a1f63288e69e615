//! `[quarantine]`: what is kept of requests that were refused and may yet be let in.

use std::path::PathBuf;
use std::time::Duration;

/// The quarantine: bounds on all that it keeps together. Each source has an equal share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineConfig {
    /// A folder for each source is in here.
    pub dir: PathBuf,
    /// Bytes on the disk.
    pub max_size: u64,
    /// Requests.
    pub max_events: usize,
    /// What is older is dropped.
    pub max_age: Duration,
}
