//! What became of the clients, for people and for programs.

use std::time::Duration;

use serde::Serialize;

use super::reader::Fate;
use crate::figures::{Bytes, Grouped, Time};

/// All of them together.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    /// Connections that could be opened.
    pub(super) opened: u64,
    /// Those that were never let wait: the server closed them before it had taken their requests, as one that is over a limit does.
    pub(super) refused: u64,
    /// Those that the server closed after it had taken nothing from them for some time.
    pub(super) closed: u64,
    /// Those that stood at the end.
    pub(super) standing: u64,
    /// From the last byte that was taken from those that were closed to their end: the least, the median, the most.
    pub(super) waited_ms: [u64; 3],
    /// What was taken from them, the median.
    pub(super) taken: u64,
    /// Whether a signal ended it.
    pub(super) partial: bool,
}

/// Who is closed sooner after its last byte was not waiting for anything.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Told {
    pub(super) fn of(fates: &[Fate], partial: bool) -> Self {
        let count = |is: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count() as u64;
        let has_waited = |fate: &&Fate| fate.is_closed && fate.waited >= AT_ONCE;
        let mut waited: Vec<Duration> = fates.iter().filter(has_waited).map(|fate| fate.waited).collect();
        let mut taken: Vec<u64> = fates.iter().filter(has_waited).map(|fate| fate.taken).collect();
        waited.sort_unstable();
        taken.sort_unstable();
        let at = |place: usize| waited.get(place).map_or(0, |waited| waited.as_millis() as u64);
        Self {
            opened: fates.len() as u64,
            refused: count(&|fate| fate.is_closed && fate.waited < AT_ONCE),
            closed: waited.len() as u64,
            standing: count(&|fate| !fate.is_closed),
            waited_ms: [at(0), at(waited.len() / 2), at(waited.len().saturating_sub(1))],
            taken: taken.get(taken.len() / 2).copied().unwrap_or_default(),
            partial,
        }
    }

    /// One line.
    pub(super) fn print(&self) {
        let [least, median, most] = self.waited_ms.map(|milliseconds| Time(milliseconds as f64 * 1e3));
        println!(
            "{} opened: {} closed by the server {least}, {median}, {most} (least, median, most) after the last byte that it took, {} of each; {} refused; {} stood at the end",
            Grouped(self.opened),
            Grouped(self.closed),
            Bytes(self.taken as f64),
            Grouped(self.refused),
            Grouped(self.standing),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waited_is_told_from_who_was_refused_and_from_who_still_stands() {
        let fate = |waited, is_closed| Fate { taken: 7 * waited, waited: Duration::from_millis(waited), is_closed };
        let fates = [fate(3, true), fate(10_000, true), fate(9_000, true), fate(12_000, true), fate(40_000, false)];
        let told = Told::of(&fates, false);
        assert_eq!((told.opened, told.refused, told.closed, told.standing), (5, 1, 3, 1));
        assert_eq!((told.waited_ms, told.taken), ([9_000, 10_000, 12_000], 70_000));
        assert_eq!(Told::of(&[], true).waited_ms, [0; 3]);
    }
}
