//! How numbers are written for people.

use std::fmt::{self, Display};

/// `1,234,567`
pub(crate) struct Grouped(pub(crate) u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// Microseconds, with three digits that count and their unit.
pub(crate) struct Time(pub(crate) f64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, 1e3, &["µs", "ms", "s"])
    }
}

/// Bytes, likewise.
pub(crate) struct Bytes(pub(crate) f64);

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, 1024.0, &["B", "KiB", "MiB", "GiB"])
    }
}

fn scaled(f: &mut fmt::Formatter<'_>, mut value: f64, step: f64, units: &[&str]) -> fmt::Result {
    let mut units = units.iter();
    let mut unit = units.next().copied().unwrap_or_default();
    while value >= 999.5
        && let Some(next) = units.next()
    {
        value /= step;
        unit = next;
    }
    let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    write!(f, "{value:.decimals$} {unit}")
}

/// A table in columns: its first row is its head, its first column and those of words are flush left.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|at| width(at).unwrap_or_default()).collect();
    let is_words = |at: usize| {
        let of_column = |row: &Vec<String>| row.get(at).is_some_and(|cell| cell.starts_with(char::is_alphabetic));
        at == 0 || rows.iter().all(of_column)
    };
    let words: Vec<bool> = (0..count).map(is_words).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, &width), &words) in row.iter().zip(&widths).zip(&words) {
            let gap = if line.is_empty() { "" } else { "  " };
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, after) = if words { ("", padding.as_str()) } else { (padding.as_str(), "") };
            line.extend([gap, before, cell, after]);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_scaled() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(|number| Grouped(number).to_string()),
            ["0", "999", "1,000", "1,234,567"]
        );
        let times = [0.5, 42.0, 999.4, 999.6, 50_321.0, 2_000_000.0].map(|us| Time(us).to_string());
        assert_eq!(times, ["0.50 µs", "42.0 µs", "999 µs", "1.00 ms", "50.3 ms", "2.00 s"]);
        assert_eq!(Bytes(3.0 * 1024.0 * 1024.0).to_string(), "3.00 MiB");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["name", "kept", "events/s"], ["a", "memory", "1,000"], ["longer", "synced", "7"]];
        let rows = rows.map(|row| row.map(ToOwned::to_owned).to_vec());
        assert_eq!(columns(&rows), "name    kept    events/s\na       memory     1,000\nlonger  synced         7\n");
    }
}
