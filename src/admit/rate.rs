//! Rates, kept without a lock and in constant memory: the time at which all that was taken is paid for.
//!
//! Taking one moves that time on by the interval between two. It may lie up to one second ahead, so that a second's worth may
//! come at once (the generic cell rate algorithm, in a word per rate).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::listen::{AddressSlots, SLOTS};

/// So many a second, for all together.
#[derive(Debug)]
pub(super) struct Rate {
    pace: Pace,
    paid_at: AtomicU64,
}

/// So many a second, for each address. An address has two slots, as [`AddressSlots`] says, and is over its rate if both are.
#[derive(Debug)]
pub(super) struct AddressRate {
    pace: Pace,
    slots: AddressSlots,
    paid_at: Box<[AtomicU64]>,
}

/// Times are nanoseconds since the start.
#[derive(Debug, Clone, Copy)]
struct Pace {
    start: Instant,
    interval: u64,
}

/// How much may come at once: a second's worth.
const AHEAD_MAX: u64 = Duration::from_secs(1).as_nanos() as u64;

impl Rate {
    pub(super) fn new(per_second: u32, start: Instant) -> Self {
        Self { pace: Pace::new(per_second, start), paid_at: AtomicU64::new(0) }
    }

    /// Whether nothing can be taken now.
    pub(super) fn is_exhausted(&self, now: Instant) -> bool {
        let now = self.pace.since_start(now);
        !self.pace.fits(self.paid_at.load(Ordering::Relaxed), now)
    }

    /// Takes one, if the rate allows.
    pub(super) fn take(&self, now: Instant) -> bool {
        self.pace.take(&self.paid_at, now)
    }
}

impl AddressRate {
    pub(super) fn new(per_second: u32, start: Instant) -> Self {
        let paid_at = std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect();
        Self { pace: Pace::new(per_second, start), slots: AddressSlots::default(), paid_at }
    }

    /// Takes one for an address, if its rate allows.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> bool {
        let take = |slot: usize| self.paid_at.get(slot).is_some_and(|paid_at| self.pace.take(paid_at, now));
        let [first, second] = self.slots.of(address);
        // Both pay, whatever the first says; one slot pays once.
        let first_allows = take(first);
        if first == second { first_allows } else { take(second) || first_allows }
    }
}

impl Pace {
    fn new(per_second: u32, start: Instant) -> Self {
        Self { start, interval: AHEAD_MAX / u64::from(per_second.max(1)) }
    }

    fn since_start(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_nanos() as u64
    }

    fn fits(&self, paid_at: u64, now: u64) -> bool {
        paid_at.max(now) + self.interval <= now + AHEAD_MAX
    }

    fn take(&self, paid_at: &AtomicU64, now: Instant) -> bool {
        let now = self.since_start(now);
        let one_more = |paid_at: u64| self.fits(paid_at, now).then(|| paid_at.max(now) + self.interval);
        paid_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_may_come_at_once_and_then_one_at_a_time() {
        let start = Instant::now();
        let rate = Rate::new(4, start);
        let at = |ms| start + Duration::from_millis(ms);
        let taken = |ms| (0..10).filter(|_| rate.take(at(ms))).count();
        assert_eq!(taken(0), 4);
        assert!(rate.is_exhausted(at(249)));
        assert_eq!(taken(249), 0);
        assert!(!rate.is_exhausted(at(250)));
        assert_eq!(taken(250), 1);
        assert_eq!(taken(10_000), 4, "what was not used does not add up");
    }

    #[test]
    fn one_address_does_not_use_up_what_is_anothers() {
        let start = Instant::now();
        let rate = AddressRate::new(2, start);
        let taken = |last: u8| (0..10).filter(|_| rate.take([203, 0, 113, last].into(), start)).count();
        assert_eq!(taken(1), 2);
        assert_eq!(taken(2), 2);
        assert_eq!(taken(1), 0);
    }
}
