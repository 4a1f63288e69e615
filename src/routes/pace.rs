//! Whether events come so fast that a thread does better to look for them now and then than to be woken for each.
//!
//! Waking a thread costs its waker, and the change to it the core, more than most events do. Above [`FAST`] whoever has
//! nothing left to do rests for [`REST`], in which nobody wakes it for a few events, and finds at its end what has come: at
//! 45,000 events a second on one core that is a fifth of what an event costs, and shortens the slowest answers. Below it
//! nothing waits.

use std::time::{Duration, Instant};

/// How long a thread leaves alone what comes; a worker, whose timer counts whole milliseconds, up to one more.
pub(super) const REST: Duration = Duration::from_millis(1);

/// Events within [`WINDOW`] from which on it is better to rest.
const FAST: u64 = 8;

const WINDOW: Duration = Duration::from_millis(1);

/// What a thread has taken of late.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the window began.
    since: Instant,
    taken: u64,
    /// In the window before this one.
    before: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, taken: 0, before: 0 }
    }

    /// So many events were taken, or none.
    pub(super) fn note(&mut self, events: u64, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= WINDOW {
            self.before = if passed < 2 * WINDOW { self.taken } else { 0 };
            self.taken = 0;
            self.since = now;
        }
        self.taken += events;
    }

    /// Whether events come fast.
    pub(super) fn is_fast(&self) -> bool {
        self.taken.max(self.before) >= FAST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_fast_for_two_windows_and_single_events_never_are() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for event in 0..100 {
            pace.note(1, start + event * WINDOW);
            assert!(!pace.is_fast(), "one in a millisecond");
        }
        let burst = start + 100 * WINDOW;
        pace.note(FAST, burst);
        assert!(pace.is_fast());
        pace.note(0, burst + WINDOW);
        assert!(pace.is_fast(), "in the window before");
        pace.note(0, burst + 2 * WINDOW);
        assert!(!pace.is_fast());
    }

    #[test]
    fn what_lies_two_windows_back_does_not_count() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.note(FAST, start);
        pace.note(0, start + 2 * WINDOW);
        assert!(!pace.is_fast());
    }
}
