//! Durations and sizes as text, both ways: `"5s"`, `"64KiB"`.
//!
//! A number without a unit is refused, and so is every other spelling: there is one way to write a value, and a wrong one is
//! answered with the right one.

use std::fmt;
use std::time::Duration;

/// Reads `"50us"`, `"5ms"`, `"5s"`, `"15m"`, `"24h"`, `"3d"`. The error is what would be right.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let micros = parse(text, &DURATIONS, "5s")?;
    let longest = LONGEST.as_micros() as u64;
    if micros > longest { Err("write at most \"365d\"".to_owned()) } else { Ok(Duration::from_micros(micros)) }
}

/// Reads `"512B"`, `"64KiB"`, `"1MiB"`, `"20GiB"`, and the decimal `kB`, `MB`, `GB`. The error is what would be right.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZES, "1MiB")
}

/// A duration as [`parse_duration`] reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrittenDuration(pub(crate) Duration);

impl fmt::Display for WrittenDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u64::try_from(self.0.as_micros()) {
            Ok(micros) if self.0.subsec_nanos().is_multiple_of(1000) => write_largest(f, micros, &DURATIONS, "s"),
            _ => write!(f, "{}ns", self.0.as_nanos()),
        }
    }
}

/// A size as [`parse_size`] reads it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WrittenSize(pub(crate) u64);

impl fmt::Display for WrittenSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_largest(f, self.0, &SIZES, "B")
    }
}

/// A unit: how it is written, how many of the smallest it is, and what else people write for it.
struct Unit {
    name: &'static str,
    factor: u64,
    also: &'static [&'static str],
}

/// From the largest to the smallest, in microseconds.
const DURATIONS: [Unit; 6] = [
    Unit { name: "d", factor: 86_400_000_000, also: &["day", "days"] },
    Unit { name: "h", factor: 3_600_000_000, also: &["hr", "hrs", "hour", "hours"] },
    Unit { name: "m", factor: 60_000_000, also: &["min", "mins", "minute", "minutes"] },
    Unit { name: "s", factor: 1_000_000, also: &["sec", "secs", "second", "seconds"] },
    Unit { name: "ms", factor: 1_000, also: &["msec", "milli", "millis", "millisecond", "milliseconds"] },
    Unit { name: "us", factor: 1, also: &["µs", "μs", "usec", "micros", "microsecond", "microseconds"] },
];

/// From the largest to the smallest, in bytes; the binary ones first, so that they are what is written.
const SIZES: [Unit; 7] = [
    Unit { name: "GiB", factor: 1 << 30, also: &["g", "gib"] },
    Unit { name: "MiB", factor: 1 << 20, also: &["m", "mib"] },
    Unit { name: "KiB", factor: 1 << 10, also: &["k", "kib"] },
    Unit { name: "GB", factor: 1_000_000_000, also: &["gb"] },
    Unit { name: "MB", factor: 1_000_000, also: &["mb"] },
    Unit { name: "kB", factor: 1_000, also: &["kb"] },
    Unit { name: "B", factor: 1, also: &["byte", "bytes"] },
];

/// Longer waits are mistakes, and the clocks of some systems cannot count them.
const LONGEST: Duration = Duration::from_hours(365 * 24);

fn parse(text: &str, units: &[Unit], example: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, written) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        return Err(units_in_words(units, example));
    };
    if let Some(unit) = units.iter().find(|unit| unit.name == written) {
        return number.checked_mul(unit.factor).ok_or_else(|| "write a smaller number".to_owned());
    }
    let meant = written.trim().to_lowercase();
    match units.iter().find(|unit| unit.name.to_lowercase() == meant || unit.also.contains(&meant.as_str())) {
        Some(unit) => Err(format!("write \"{number}{}\"", unit.name)),
        None => Err(units_in_words(units, example)),
    }
}

fn units_in_words(units: &[Unit], example: &str) -> String {
    let names: Vec<&str> = units.iter().rev().map(|unit| unit.name).collect();
    format!("write a whole number and a unit ({}), as in \"{example}\"", names.join(", "))
}

/// Writes in the largest unit that needs no fraction.
fn write_largest(f: &mut fmt::Formatter<'_>, value: u64, units: &[Unit], zero: &str) -> fmt::Result {
    match units.iter().find(|unit| value > 0 && value.is_multiple_of(unit.factor)) {
        Some(unit) => write!(f, "{}{}", value / unit.factor, unit.name),
        None => write!(f, "0{zero}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, micros) in [
            ("50us", 50),
            ("5ms", 5_000),
            ("5s", 5_000_000),
            ("15m", 900_000_000),
            ("24h", 86_400_000_000),
            ("3d", 259_200_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for (text, bytes) in [("512B", 512), ("64KiB", 65_536), ("1MiB", 1 << 20), ("20GiB", 20 << 30), ("3kB", 3000)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn another_spelling_is_answered_with_the_right_one() {
        for (text, right) in [("5 sec", "5s"), ("5S", "5s"), ("10 minutes", "10m"), ("2µs", "2us")] {
            assert_eq!(parse_duration(text), Err(format!("write \"{right}\"")), "{text}");
        }
        for (text, right) in [("1mib", "1MiB"), ("64K", "64KiB"), ("5 MB", "5MB")] {
            assert_eq!(parse_size(text), Err(format!("write \"{right}\"")), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_answered_with_the_units() {
        for text in ["", "s", "5", "-5s", "1.5s", "1h30m", "5 lightyears"] {
            let help = parse_duration(text).expect_err(text);
            assert!(help.contains("us, ms, s, m, h, d"), "{help}");
        }
    }

    #[test]
    fn too_much_is_refused() {
        assert!(parse_duration("366d").is_err());
        assert!(parse_size("99999999999999GiB").is_err());
        assert!(parse_size("999999999999999999999999B").is_err());
    }

    #[test]
    fn nothing_has_a_unit_too() {
        assert_eq!(WrittenDuration(Duration::ZERO).to_string(), "0s");
        assert_eq!(WrittenSize(0).to_string(), "0B");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micros in 0..31_536_000_000_000_u64, bytes in any::<u64>()) {
            let duration = Duration::from_micros(micros);
            prop_assert_eq!(parse_duration(&WrittenDuration(duration).to_string()), Ok(duration));
            prop_assert_eq!(parse_size(&WrittenSize(bytes).to_string()), Ok(bytes));
        }
    }
}
