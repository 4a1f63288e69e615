//! `max_rate`: at most so many deliveries in a second, evenly spread. Pure: time is passed in.
//!
//! Instead of counting tokens it keeps the moment at which the next delivery would be on schedule (GCRA). Deliveries may
//! run ahead of the schedule by [`SLACK`], because timers are coarser than the distance between two deliveries.

use std::time::{Duration, Instant};

/// The schedule of one route.
#[derive(Debug)]
pub(super) struct Rate {
    distance: Duration,
    next: Instant,
}

impl Rate {
    /// So many a second; at least one.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { distance: Duration::from_secs(1) / per_second.max(1), next: now }
    }

    /// How many of `wanted` may go now; where none may, when the next one may.
    pub(super) fn allowed(&self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        let next = self.next.max(now);
        let ahead = next - now;
        let Some(room) = SLACK.checked_sub(ahead) else { return Err(now + ahead.abs_diff(SLACK)) };
        let more = room.as_nanos() / self.distance.as_nanos().max(1);
        Ok(wanted.min(more as usize + 1))
    }

    /// So many go.
    pub(super) fn take(&mut self, events: usize, now: Instant) {
        self.next = self.next.max(now) + self.distance * events as u32;
    }

    /// So many of those did not go after all.
    pub(super) fn give_back(&mut self, events: usize) {
        self.next -= self.distance * events as u32;
    }
}

/// Longer than a timer is late, short enough not to be a burst.
const SLACK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what it may, when it may, through a whole second; a timer is late by `late`.
    fn in_one_second(per_second: u32, batch: usize, late: Duration) -> usize {
        let start = Instant::now();
        let mut rate = Rate::new(per_second, start);
        let mut now = start;
        let mut gone = 0;
        while now < start + Duration::from_secs(1) {
            match rate.allowed(batch, now) {
                Ok(events) => {
                    rate.take(events, now);
                    gone += events;
                }
                Err(at) => now = at + late,
            }
        }
        gone
    }

    #[test]
    fn a_second_holds_the_rate_and_no_more_than_the_slack_above_it() {
        for (rate, batch) in [(1, 1), (3, 1), (100, 1), (100, 64), (5_000, 1), (5_000, 64), (200_000, 64)] {
            let gone = in_one_second(rate, batch, Duration::ZERO);
            let slack = rate as usize / 100 + 1;
            assert!((rate as usize..=rate as usize + slack).contains(&gone), "{gone} at {rate}/s");
        }
    }

    #[test]
    fn late_timers_do_not_slow_it_down() {
        for rate in [100, 1_000, 20_000] {
            let gone = in_one_second(rate, 1, Duration::from_millis(2));
            assert!(gone >= rate as usize, "{gone} at {rate}/s");
        }
    }

    #[test]
    fn an_idle_second_is_not_saved_up() {
        let start = Instant::now();
        let rate = Rate::new(100, start);
        assert_eq!(rate.allowed(1_000, start + Duration::from_mins(1)), Ok(2));
    }

    #[test]
    fn what_is_given_back_may_go() {
        let now = Instant::now();
        let mut rate = Rate::new(1, now);
        rate.take(1, now);
        assert!(rate.allowed(1, now).is_err());
        rate.give_back(1);
        assert_eq!(rate.allowed(1, now), Ok(1));
    }
}
