//! The time window of a signed timestamp, against replay: a captured request is worth nothing once the window has passed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::{Stamp, StampUnit};
use crate::refusal::Refusal;

/// By what a request is judged that has to do with time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Which secrets count.
    pub(super) now: SystemTime,
    /// Timestamps may be of any time; else they must be near this one.
    pub(super) any_age: bool,
}

/// Refuses a timestamp that is not a plain number, or further from the clock's time than the tolerance. A distance equal to
/// the tolerance passes.
///
/// The clock is cut down to the stamp's unit first, as the sender's was: else a stamp of whole seconds would lose up to one
/// second of its window.
pub(super) fn check(text: &[u8], stamp: &Stamp, clock: Clock) -> Result<(), Refusal> {
    let sent = read(text, stamp.unit).ok_or(Refusal::MalformedTimestamp)?;
    if clock.any_age {
        return Ok(());
    }
    // Before 1970 there is no stamp that could fit; everything is then from the future.
    let now = clock.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = match stamp.unit {
        StampUnit::Seconds => Duration::from_secs(now.as_secs()),
        StampUnit::Milliseconds => Duration::new(now.as_secs(), now.subsec_millis() * 1_000_000),
        StampUnit::Rfc3339 => now,
    };
    if now.saturating_sub(sent) > stamp.tolerance {
        return Err(Refusal::StaleTimestamp);
    }
    if sent.saturating_sub(now) > stamp.tolerance {
        return Err(Refusal::FutureTimestamp);
    }
    Ok(())
}

/// The time since the Unix epoch.
fn read(text: &[u8], unit: StampUnit) -> Option<Duration> {
    match unit {
        StampUnit::Seconds => parse(text).map(Duration::from_secs),
        StampUnit::Milliseconds => parse(text).map(Duration::from_millis),
        StampUnit::Rfc3339 => rfc3339(text),
    }
}

/// `2020-01-01T00:00:00-07:00`, `2023-07-19T14:56:51.616329898Z`: `humantime` reads those of Greenwich, the offset is
/// counted here.
fn rfc3339(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok().filter(|text| (20..=40).contains(&text.len()))?;
    if text.ends_with('Z') {
        return since_epoch(text);
    }
    let (local, offset) = text.split_at_checked(text.len() - 6)?;
    let local = since_epoch(&format!("{local}Z"))?;
    let &[sign, tens, ones, b':', minute_tens, minute_ones] = offset.as_bytes() else { return None };
    let minutes = parse(&[tens, ones])?.checked_mul(60)? + parse(&[minute_tens, minute_ones])?;
    let offset = Duration::from_secs(minutes * 60);
    match sign {
        b'+' => local.checked_sub(offset),
        b'-' => local.checked_add(offset),
        _ => None,
    }
}

fn since_epoch(text: &str) -> Option<Duration> {
    humantime::parse_rfc3339(text).ok()?.duration_since(UNIX_EPOCH).ok()
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
        check(text.as_bytes(), &stamp(unit), Clock { now: UNIX_EPOCH + now, any_age: false })
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
    fn dates_are_read_with_their_offset() {
        let at = |text| window(text, StampUnit::Rfc3339, Duration::from_secs(1_577_862_000));
        for text in ["2020-01-01T00:00:00-07:00", "2020-01-01T07:00:00Z", "2020-01-01T07:00:00.616329898Z"] {
            assert_eq!(at(text), Ok(()), "{text}");
        }
        assert_eq!(at("2020-01-01T12:30:00+05:30"), Ok(()));
        assert_eq!(at("2020-01-01T00:00:00-06:00"), Err(Refusal::StaleTimestamp));
        assert_eq!(at("2020-01-01T00:00:00-08:00"), Err(Refusal::FutureTimestamp));
        for text in
            ["", "2020-01-01", "1577862000", "2020-01-01T00:00:00", "2020-01-01T00:00:00*07:00", "2020-13-01T00:00:00Z"]
        {
            assert_eq!(at(text), Err(Refusal::MalformedTimestamp), "{text}");
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
        assert_eq!(
            check(b"1700000000", &stamp(StampUnit::Seconds), Clock { now: long_ago, any_age: false }),
            Err(Refusal::FutureTimestamp)
        );
    }

    #[test]
    fn any_age_is_any_time_and_nothing_that_is_none() {
        let clock = Clock { now: UNIX_EPOCH, any_age: true };
        assert_eq!(check(b"1700000000", &stamp(StampUnit::Seconds), clock), Ok(()));
        assert_eq!(check(b"now", &stamp(StampUnit::Seconds), clock), Err(Refusal::MalformedTimestamp));
    }
}
