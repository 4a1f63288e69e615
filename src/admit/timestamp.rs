//! The time window of a signed timestamp, against replay: a captured request is worth nothing once the window has passed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::{Stamp, StampUnit};
use crate::refusal::Refusal;

/// Refuses a timestamp that is not a plain number, or further from `now` than the tolerance. A distance equal to the
/// tolerance passes.
///
/// The clock is cut down to the stamp's unit first, as the sender's was: else a stamp of whole seconds would lose up to one
/// second of its window.
pub(super) fn check(text: &[u8], stamp: &Stamp, now: SystemTime) -> Result<(), Refusal> {
    let sent = parse(text).ok_or(Refusal::MalformedTimestamp)?;
    // Before 1970 there is no stamp that could fit; everything is then from the future.
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (sent, now) = match stamp.unit {
        StampUnit::Seconds => (Duration::from_secs(sent), Duration::from_secs(now.as_secs())),
        StampUnit::Milliseconds => {
            (Duration::from_millis(sent), Duration::new(now.as_secs(), now.subsec_millis() * 1_000_000))
        }
    };
    if now.saturating_sub(sent) > stamp.tolerance {
        return Err(Refusal::StaleTimestamp);
    }
    if sent.saturating_sub(now) > stamp.tolerance {
        return Err(Refusal::FutureTimestamp);
    }
    Ok(())
}

/// Decimal digits and nothing else: no sign, no space, no fraction.
fn parse(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'9' => Some(number * 10 + u64::from(byte - b'0')),
        _ => None,
    })
}

/// Milliseconds until the year 2286; far from the overflow of a `u64`.
const DIGITS_MAX: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StampPlace;

    const NOW: u64 = 1_700_000_000;

    fn window(text: &str, unit: StampUnit, now: Duration) -> Result<(), Refusal> {
        check(text.as_bytes(), &stamp(unit), UNIX_EPOCH + now)
    }

    fn stamp(unit: StampUnit) -> Stamp {
        Stamp { place: StampPlace::Pair("t".into()), unit, tolerance: Duration::from_mins(5) }
    }

    #[test]
    fn a_distance_equal_to_the_tolerance_passes_and_one_more_does_not() {
        let at = |now| window("1700000000", StampUnit::Seconds, Duration::from_secs(now));
        assert_eq!(at(NOW), Ok(()));
        assert_eq!(at(NOW + 300), Ok(()));
        assert_eq!(at(NOW + 301), Err(Refusal::StaleTimestamp));
        assert_eq!(at(NOW - 300), Ok(()));
        assert_eq!(at(NOW - 301), Err(Refusal::FutureTimestamp));
    }

    #[test]
    fn a_fraction_of_the_clocks_second_does_not_shorten_the_window() {
        let now = Duration::from_secs(NOW + 300) + Duration::from_millis(999);
        assert_eq!(window("1700000000", StampUnit::Seconds, now), Ok(()));
    }

    #[test]
    fn milliseconds_are_counted_as_such() {
        let at = |now| window("1700000000123", StampUnit::Milliseconds, Duration::from_millis(now));
        assert_eq!(at(1_700_000_300_123), Ok(()));
        assert_eq!(at(1_700_000_300_124), Err(Refusal::StaleTimestamp));
        assert_eq!(at(1_699_999_700_123), Ok(()));
        assert_eq!(at(1_699_999_700_122), Err(Refusal::FutureTimestamp));
    }

    #[test]
    fn only_plain_digits_are_a_timestamp() {
        for text in ["", "-1", "+1700000000", " 1700000000", "1700000000 ", "1.7e9", "1700000000.5", "0x1", "१७"] {
            let now = Duration::from_secs(NOW);
            assert_eq!(window(text, StampUnit::Seconds, now), Err(Refusal::MalformedTimestamp), "{text:?}");
        }
    }

    #[test]
    fn a_number_too_long_is_malformed_and_a_long_one_is_in_the_future() {
        let now = Duration::from_secs(NOW);
        let at = |text| window(text, StampUnit::Seconds, now);
        assert_eq!(at("9999999999999"), Err(Refusal::FutureTimestamp));
        assert_eq!(at("17000000000000"), Err(Refusal::MalformedTimestamp));
        assert_eq!(at("18446744073709551616"), Err(Refusal::MalformedTimestamp));
    }

    #[test]
    fn a_clock_before_1970_finds_every_stamp_in_the_future() {
        let long_ago = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(check(b"1700000000", &stamp(StampUnit::Seconds), long_ago), Err(Refusal::FutureTimestamp));
    }
}
