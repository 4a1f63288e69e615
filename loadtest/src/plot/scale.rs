//! From a value to a place on an axis, and the marks along it. Arithmetic only.

use crate::figures::Time;

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// From zero.
    Linear {
        /// The largest value.
        max: f64,
    },
    /// Whole numbers from zero.
    Count {
        /// The largest.
        max: f64,
    },
    /// Microseconds, each decade as long as the others.
    Log {
        /// The smallest value, above zero.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// Quantiles, each nine as long as the one before: 0, 90 %, 99 %, 99.9 %.
    Nines {
        /// How many.
        max: f64,
    },
}

impl Scale {
    /// From zero up to a little above the largest of these.
    pub(crate) fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().fold(0.0, f64::max);
        let step = step(most);
        Scale::Linear { max: if most > 0.0 { (most / step).ceil() * step } else { 1.0 } }
    }

    /// From zero up to one more than the largest of these.
    pub(crate) fn count(values: impl IntoIterator<Item = f64>) -> Self {
        Scale::Count { max: values.into_iter().fold(0.0, f64::max) + 1.0 }
    }

    /// Whole steps of 1, 2, 5 and 10 around these.
    pub(crate) fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (least, most) = values
            .into_iter()
            .filter(|value| *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        if most == 0.0 {
            return Scale::Log { min: 1.0, max: 10.0 };
        }
        let min = marks_of_decades(least / 10.0, least).last().copied().unwrap_or(least);
        let max = marks_of_decades(most, most * 10.0).first().copied().unwrap_or(most);
        Scale::Log { min, max: if max > min { max } else { min * 10.0 } }
    }

    /// Where a value is: 0 at the beginning of the axis, 1 at its end.
    pub(crate) fn place(self, value: f64) -> f64 {
        let place = match self {
            Scale::Linear { max } | Scale::Count { max } => value / max,
            Scale::Log { min, max } => (value.max(min) / min).ln() / (max / min).ln(),
            Scale::Nines { max } => -(1.0 - value).max(1e-12).log10() / max,
        };
        place.clamp(0.0, 1.0)
    }

    /// Values to mark, and how they are written.
    pub(crate) fn marks(self) -> Vec<(f64, String)> {
        match self {
            Scale::Linear { max } | Scale::Count { max } => {
                let step = if matches!(self, Scale::Count { .. }) { step(max).max(1.0) } else { step(max) };
                (0..=(max / step + 1e-9).floor() as u32).map(|at| f64::from(at) * step).map(|v| (v, short(v))).collect()
            }
            Scale::Log { min, max } => {
                let mut marks = marks_of_decades(min, max);
                if marks.len() > MARKS_MAX {
                    marks.retain(|mark| is_decade(*mark));
                }
                marks.into_iter().map(|value| (value, time(value))).collect()
            }
            Scale::Nines { max } => (0..=max as i32)
                .map(|nines| {
                    let percent = 100.0 - 100.0 / 10_f64.powi(nines);
                    let decimals = (nines - 2).max(0) as usize;
                    (percent / 100.0, format!("{percent:.decimals$}"))
                })
                .collect(),
        }
    }
}

/// A number with a unit's letter where it is large: `25k`.
fn short(value: f64) -> String {
    let (value, letter) = match value {
        1e6.. => (value / 1e6, "M"),
        1e3.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.2}");
    format!("{}{letter}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn time(us: f64) -> String {
    let text = Time(us).to_string();
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// A round distance between marks, so that there are five to ten.
fn step(most: f64) -> f64 {
    if most <= 0.0 {
        return 1.0;
    }
    let decade = 10_f64.powf((most / 10.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * decade)
        .into_iter()
        .find(|step| most / step <= 8.0)
        .unwrap_or(decade * 10.0)
}

/// 1, 2, 5, 10, 20… from `min` to `max`, both included.
fn marks_of_decades(min: f64, max: f64) -> Vec<f64> {
    let first = min.log10().floor() as i32;
    let last = max.log10().ceil() as i32;
    (first..=last)
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|times| times * 10_f64.powi(decade)))
        .filter(|value| *value >= min * 0.999 && *value <= max * 1.001)
        .collect()
}

fn is_decade(value: f64) -> bool {
    (value.log10() - value.log10().round()).abs() < 1e-6
}

const MARKS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_has_round_marks_up_to_its_end() {
        let scale = Scale::linear([93_000.0, 12_000.0]);
        assert_eq!(scale, Scale::Linear { max: 100_000.0 });
        let marks: Vec<_> = scale.marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["0", "20k", "40k", "60k", "80k", "100k"]);
        let marks: Vec<_> = Scale::count([1.0, 2.0]).marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["0", "1", "2", "3"]);
        assert_eq!(Scale::linear([]), Scale::Linear { max: 1.0 });
    }

    #[test]
    fn a_logarithmic_axis_begins_and_ends_around_its_values() {
        let scale = Scale::log([130.0, 4_700.0]);
        let Scale::Log { min, max } = scale else { panic!("{scale:?}") };
        assert!((min - 100.0).abs() < 1e-6 && (max - 5_000.0).abs() < 1e-6, "{scale:?}");
        let marks: Vec<_> = scale.marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["100 µs", "200 µs", "500 µs", "1 ms", "2 ms", "5 ms"]);
        assert!((scale.place(5_000.0) - 1.0).abs() < 1e-9 && scale.place(0.0) < 1e-9);
    }

    #[test]
    fn each_nine_is_as_long_as_the_one_before() {
        let scale = Scale::Nines { max: 4.0 };
        for (value, place) in [(0.0, 0.0), (0.9, 0.25), (0.99, 0.5), (0.9999, 1.0), (1.0, 1.0)] {
            assert!((scale.place(value) - place).abs() < 1e-6, "{value}");
        }
        let marks: Vec<_> = scale.marks().into_iter().map(|(_, text)| text).collect();
        assert_eq!(marks, ["0", "90", "99", "99.9", "99.99"]);
    }
}
