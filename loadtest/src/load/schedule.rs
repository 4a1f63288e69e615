//! When requests are due: arithmetic only, no clock.

use std::time::Duration;

/// One thread's share of an open-loop schedule. Of all requests, due every `1 / rate` seconds, thread `first` of `threads`
/// sends every `threads`-th; the threads interleave, so that the whole stays even.
///
/// Times are computed from the request's number, never added up: nothing drifts, however long the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    /// Requests per second, over all threads. At least 1.
    pub(crate) rate: u64,
    /// At least 1.
    pub(crate) threads: u64,
    /// This thread, counted from 0.
    pub(crate) first: u64,
}

impl Schedule {
    /// When this thread's request number `nth`, counted from 0, is due after the start.
    pub(crate) fn at(&self, nth: u64) -> Duration {
        let overall = u128::from(self.first) + u128::from(nth) * u128::from(self.threads);
        let nanos = overall * NANOS / u128::from(self.rate);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many of this thread's requests are due once `elapsed` has passed: those with `at(nth) <= elapsed`.
    pub(crate) fn due(&self, elapsed: Duration) -> u64 {
        // floor(k * NANOS / rate) <= elapsed  ⇔  k * NANOS < (elapsed + 1) * rate
        let overall = ((elapsed.as_nanos() + 1) * u128::from(self.rate)).div_ceil(NANOS);
        let own = overall.saturating_sub(u128::from(self.first)).div_ceil(u128::from(self.threads));
        u64::try_from(own).unwrap_or(u64::MAX)
    }

    /// How many of this thread's requests are due within `span`, its end excluded.
    pub(crate) fn within(&self, span: Duration) -> u64 {
        span.checked_sub(Duration::from_nanos(1)).map_or(0, |last| self.due(last))
    }
}

const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedules() -> impl Iterator<Item = Schedule> {
        [1, 3, 7, 100, 999, 100_000, 3_000_000].into_iter().flat_map(|rate| {
            [1, 2, 3, 8]
                .into_iter()
                .flat_map(move |threads| (0..threads).map(move |first| Schedule { rate, threads, first }))
        })
    }

    #[test]
    fn a_request_is_due_at_its_time_and_not_a_nanosecond_before() {
        for schedule in schedules() {
            for nth in [0, 1, 2, 10, 12_345, 1_000_000_007] {
                let at = schedule.at(nth);
                assert!(schedule.due(at) > nth, "{schedule:?} {nth}");
                if let Some(before) = at.checked_sub(Duration::from_nanos(1)) {
                    assert!(schedule.due(before) <= nth, "{schedule:?} {nth}");
                }
            }
        }
    }

    #[test]
    fn the_threads_together_send_the_whole_rate() {
        for rate in [1, 3, 1_000, 99_999] {
            for threads in [1, 2, 3, 8] {
                let sum: u64 =
                    (0..threads).map(|first| Schedule { rate, threads, first }.within(Duration::from_secs(10))).sum();
                assert_eq!(sum, rate * 10, "{rate}/s on {threads} threads");
            }
        }
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_does_not_drift() {
        let schedule = Schedule { rate: 3, threads: 1, first: 0 };
        assert_eq!(schedule.at(3 * 3_600), Duration::from_hours(1));
        assert_eq!(schedule.at(1), Duration::from_nanos(333_333_333));
    }

    #[test]
    fn nothing_is_due_within_no_time() {
        assert_eq!(Schedule { rate: 1_000, threads: 1, first: 0 }.within(Duration::ZERO), 0);
    }
}
