//! Due times: points of the monotonic clock while a process runs, milliseconds since 1970 in the journal.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Both clocks at one moment. From then on only the monotonic one counts: nothing is due sooner or later because somebody
/// sets the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    monotonic: Instant,
    wall_ms: u64,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { monotonic: Instant::now(), wall_ms: since_epoch.as_millis() as u64 }
    }

    pub(super) fn ms(&self, at: Instant) -> u64 {
        self.wall_ms + at.saturating_duration_since(self.monotonic).as_millis() as u64
    }

    /// Not before `ms`.
    pub(super) fn instant(&self, ms: u64) -> Instant {
        self.monotonic + Duration::from_millis(ms.saturating_sub(self.wall_ms).saturating_add(1))
    }

    /// Since when it counts.
    pub(super) fn started(&self) -> Instant {
        self.monotonic
    }
}
