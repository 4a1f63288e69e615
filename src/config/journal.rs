//! `[journal]`: where events are made safe, and how much of them is kept.

use std::path::PathBuf;
use std::time::Duration;

/// The journal on disk. Dead letters lie in its directory too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// Its directory. One process at a time.
    pub dir: PathBuf,
    /// The most it takes up in bytes, dead letters and attempts excepted. Where that is reached, senders are refused.
    pub max_size: u64,
    /// What stays after every route is done with it, for replays.
    pub retain: RetainConfig,
    /// Bytes of one of its files.
    pub segment_size: u64,
    /// The most that the log of attempts takes up beside it, in bytes; `None` for no log.
    pub attempts: Option<u64>,
}

impl JournalConfig {
    /// Where the segments are, and the lock.
    pub(crate) fn events_dir(&self) -> PathBuf {
        self.dir.join("journal")
    }

    /// Where the log of attempts is.
    pub(crate) fn attempts_dir(&self) -> PathBuf {
        self.dir.join("attempts")
    }

    /// Where the dead letters are, a file for each route: `ROUTE.ndjson`.
    pub(crate) fn dead_dir(&self) -> PathBuf {
        self.dir.join("dead")
    }
}

/// How long events stay that every route is done with: until either is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetainConfig {
    /// Since they were received.
    pub age: Duration,
    /// All of them together, in bytes.
    pub size: u64,
}
