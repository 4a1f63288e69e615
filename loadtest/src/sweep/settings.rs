//! What is varied, and how the field is narrowed. No I/O.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A point of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Setting {
    pub(super) io_threads: u32,
    /// Of every pool.
    pub(super) workers: u32,
    /// Of every route.
    pub(super) in_flight: u32,
    /// Of every route; `None` where there are no batches.
    pub(super) batch: Option<u32>,
}

/// The values to combine. Empty `batch`: there are no batches.
#[derive(Debug, Clone)]
pub(super) struct Axes {
    pub(super) io_threads: Vec<u32>,
    pub(super) workers: Vec<u32>,
    pub(super) in_flight: Vec<u32>,
    pub(super) batch: Vec<u32>,
}

impl Axes {
    /// All combinations, or as many as are wanted, spread evenly.
    pub(super) fn settings(&self, most: usize) -> Vec<Setting> {
        let batches: Vec<Option<u32>> =
            if self.batch.is_empty() { vec![None] } else { self.batch.iter().copied().map(Some).collect() };
        let mut all = Vec::new();
        for &io_threads in &self.io_threads {
            for &workers in &self.workers {
                for &in_flight in &self.in_flight {
                    all.extend(batches.iter().map(|&batch| Setting { io_threads, workers, in_flight, batch }));
                }
            }
        }
        let count = all.len().min(most);
        // Steps of a golden section pass every axis, where equal ones could miss all but one value of the last.
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_by(|a, b| golden(*a).total_cmp(&golden(*b)));
        let mut chosen: Vec<Setting> = order.iter().take(count).filter_map(|at| all.get(*at).copied()).collect();
        chosen.sort_unstable();
        chosen
    }
}

fn golden(at: usize) -> f64 {
    (at as f64 * 0.618_033_988_749_894_9).fract()
}

/// Powers of two up to a number, and the number.
pub(super) fn doublings(most: u32) -> Vec<u32> {
    let mut values: Vec<u32> = (0..u32::BITS).map(|power| 1 << power).take_while(|value| *value < most).collect();
    values.push(most.max(1));
    values
}

/// One round of looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Round {
    /// How many settings are looked at.
    pub(super) settings: usize,
    /// How many rates are tried of each, after the first look at how much it takes.
    pub(super) steps: u32,
    /// How long each is held.
    pub(super) duration: Duration,
}

/// Halving until one is left: half as many settings each time, each twice as long and searched once more.
pub(super) fn rounds(settings: usize, duration: Duration) -> Vec<Round> {
    let mut rounds = vec![Round { settings, steps: STEPS_FIRST, duration }];
    while let Some(Round { settings: 2.., steps, duration }) = rounds.last().copied() {
        let settings = rounds.last().map_or(1, |last| last.settings).div_ceil(2);
        rounds.push(Round { settings, steps: steps + 1, duration: (duration * 2).min(LONGEST.max(duration)) });
    }
    rounds
}

/// Rates of the last plots, as parts of the highest one that was found.
pub(super) const CURVE: [f64; 8] = [0.1, 0.25, 0.5, 0.7, 0.85, 1.0, 1.1, 1.25];

const STEPS_FIRST: u32 = 2;

const LONGEST: Duration = Duration::from_secs(8);

impl Setting {
    /// As a plot's label: the numbers only.
    pub(super) fn short(self) -> String {
        let batch = self.batch.map_or(String::new(), |batch| format!(" · {batch}"));
        format!("{} · {} · {}{batch}", self.io_threads, self.workers, self.in_flight)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { io_threads, workers, in_flight, batch } = self;
        write!(f, "io {io_threads}, workers {workers}, in flight {in_flight}")?;
        batch.map_or(Ok(()), |batch| write!(f, ", batch {batch}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_grid_has_every_value_of_every_axis() {
        let axes = Axes {
            io_threads: vec![1, 2],
            workers: vec![1, 2, 4],
            in_flight: vec![16, 64, 256],
            batch: vec![1, 16, 64],
        };
        assert_eq!(axes.settings(1_000).len(), 54);
        let some = axes.settings(12);
        assert_eq!(some.len(), 12);
        for io in [1, 2] {
            assert!(some.iter().any(|setting| setting.io_threads == io));
        }
        for workers in [1, 2, 4] {
            assert!(some.iter().any(|setting| setting.workers == workers), "{workers}: {some:?}");
        }
        for batch in [1, 16, 64] {
            assert!(some.iter().any(|setting| setting.batch == Some(batch)), "{batch}: {some:?}");
        }
    }

    #[test]
    fn the_field_is_halved_until_one_is_left() {
        let rounds = rounds(12, Duration::from_secs(1));
        assert_eq!(rounds.iter().map(|round| round.settings).collect::<Vec<_>>(), [12, 6, 3, 2, 1]);
        assert_eq!(rounds.iter().map(|round| round.steps).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        assert_eq!(rounds.iter().map(|round| round.duration.as_secs()).collect::<Vec<_>>(), [1, 2, 4, 8, 8]);
    }

    #[test]
    fn doublings_end_at_the_number_itself() {
        assert_eq!(doublings(1), [1]);
        assert_eq!(doublings(6), [1, 2, 4, 6]);
        assert_eq!(doublings(8), [1, 2, 4, 8]);
    }
}
