//! Which segments may go, given the lowest event that a route still needs.

use std::time::{Duration, Instant, SystemTime};

use super::catalog::Kept;
use crate::event::Sequence;

/// How long segments stay that every route has passed: until the first of both bounds, for `replay` to read from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Retain {
    /// Since the segment was full.
    pub(super) age: Option<Duration>,
    /// Of all segments together.
    pub(super) size: Option<u64>,
}

impl Retain {
    /// How many of the oldest segments may go. The last one is being written and never does. Without a trusted `now` none
    /// goes for its age.
    pub(super) fn surplus(&self, segments: &[Kept], released: Sequence, now: Option<SystemTime>) -> usize {
        let mut bytes: u64 = segments.iter().map(|kept| kept.bytes).sum();
        let mut surplus = 0;
        for pair in segments.windows(2) {
            let [kept, next] = pair else { break };
            // It was full when the next one was begun.
            let age = now.and_then(|now| now.duration_since(next.opened).ok());
            let too_old = age.zip(self.age).is_some_and(|(age, limit)| age >= limit);
            let too_many = self.size.is_some_and(|limit| bytes > limit);
            if !is_released(kept, released) || !(too_old || too_many) {
                break;
            }
            bytes -= kept.bytes;
            surplus += 1;
        }
        surplus
    }
}

/// Whether no route needs anything in it.
pub(super) fn is_released(kept: &Kept, released: Sequence) -> bool {
    kept.link.end <= released
}

/// The wall clock, as long as it goes along with the monotonic one.
#[derive(Debug)]
pub(super) struct Wall {
    wall: SystemTime,
    monotonic: Instant,
}

/// What the clocks may differ by.
const TRUSTED_DIFFERENCE: Duration = Duration::from_secs(60);

impl Wall {
    /// Trusts the wall clock as it is now.
    pub(super) fn new(wall: SystemTime, monotonic: Instant) -> Self {
        Self { wall, monotonic }
    }

    /// `wall` if it is where it should be at `monotonic`.
    pub(super) fn trusted(&self, wall: SystemTime, monotonic: Instant) -> Option<SystemTime> {
        let expected = self.wall + monotonic.saturating_duration_since(self.monotonic);
        let difference = match wall.duration_since(expected) {
            Ok(ahead) => ahead,
            Err(behind) => behind.duration(),
        };
        (difference <= TRUSTED_DIFFERENCE).then_some(wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::segment::Link;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Three full segments of 100 bytes with ten events each, begun an hour apart, and the one being written.
    fn segments(now: SystemTime) -> Vec<Kept> {
        (0..4)
            .map(|at| {
                let first = Sequence(1 + 10 * at);
                let link = Link { first, id: [0; 16], sealed_at: 0, end: first.plus(10) };
                Kept { link, bytes: 100, index_bytes: 0, opened: now - HOUR * (4 - at as u32), broken: false }
            })
            .collect()
    }

    #[test]
    fn nothing_goes_that_a_route_still_needs() {
        let now = SystemTime::now();
        let retain = Retain { age: Some(Duration::ZERO), size: Some(0) };
        assert_eq!(retain.surplus(&segments(now), Sequence(1), Some(now)), 0);
        assert_eq!(retain.surplus(&segments(now), Sequence(20), Some(now)), 1);
        assert_eq!(retain.surplus(&segments(now), Sequence(21), Some(now)), 2);
    }

    #[test]
    fn the_segment_being_written_stays() {
        let now = SystemTime::now();
        let retain = Retain { age: None, size: Some(0) };
        assert_eq!(retain.surplus(&segments(now), Sequence(1000), Some(now)), 3);
    }

    #[test]
    fn released_segments_stay_until_the_first_bound() {
        let now = SystemTime::now();
        let all = Sequence(1000);
        assert_eq!(Retain { age: Some(HOUR * 2), size: None }.surplus(&segments(now), all, Some(now)), 2);
        assert_eq!(Retain { age: Some(HOUR * 9), size: Some(300) }.surplus(&segments(now), all, Some(now)), 1);
        assert_eq!(Retain { age: None, size: None }.surplus(&segments(now), all, Some(now)), 0);
    }

    #[test]
    fn nothing_goes_for_its_age_while_the_wall_clock_is_not_trusted() {
        let (wall, monotonic) = (SystemTime::now(), Instant::now());
        let clock = Wall::new(wall, monotonic);
        let later = monotonic + HOUR;
        assert!(clock.trusted(wall + HOUR, later).is_some());
        assert!(clock.trusted(wall + HOUR * 2, later).is_none());
        assert!(clock.trusted(wall - HOUR, later).is_none());
        let retain = Retain { age: Some(HOUR), size: None };
        assert_eq!(retain.surplus(&segments(wall), Sequence(1000), None), 0);
    }
}
