//! When a secret counts: while it is rotated, the old one ends and the new one begins.

use std::time::SystemTime;

/// The time in which a secret counts, from its first moment to just before its last; without both ends, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// Its first moment.
    pub from: Option<SystemTime>,
    /// The moment at which it counts no more.
    pub until: Option<SystemTime>,
}

impl Validity {
    /// Without an end on either side.
    pub const ALWAYS: Self = Self { from: None, until: None };

    /// Whether a secret counts at this moment.
    pub fn holds(&self, now: SystemTime) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_first_moment_counts_and_the_last_does_not() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let window = Validity { from: Some(at(10)), until: Some(at(20)) };
        assert_eq!([9, 10, 19, 20].map(|now| window.holds(at(now))), [false, true, true, false]);
        assert_eq!([0, 20].map(|now| Validity::ALWAYS.holds(at(now))), [true, true]);
    }
}
