//! A plot of horizontal bars with their spread.

use std::fmt::Write as _;

use super::lines::COLOURS;
use super::page::escaped;
use super::scale::Scale;

/// The plot.
pub(crate) struct Bars<'a> {
    pub(crate) title: &'a str,
    /// What the axis shows, with its unit.
    pub(crate) label: &'a str,
    pub(crate) rows: Vec<Bar>,
}

/// A bar.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// The smallest and the largest that were measured.
    pub(crate) spread: (f64, f64),
    /// Written behind it.
    pub(crate) text: String,
    /// So that a name has one colour in all plots.
    pub(crate) colour: usize,
}

impl Bars<'_> {
    pub(crate) fn svg(&self) -> String {
        let cut = self.cut();
        let scale = Scale::linear(self.rows.iter().map(|bar| bar.spread.1.max(bar.value).min(cut)));
        let x_of = |value: f64| LEFT + scale.place(value) * (RIGHT - LEFT);
        let bottom = TOP + ROW * self.rows.len() as f64;
        let height = bottom + 48.0;
        let mut svg = format!(
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.title),
            escaped(self.title)
        );
        for (value, text) in scale.marks() {
            let x = x_of(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
                 <text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{text}</text>",
                bottom + 18.0
            );
        }
        for (at, bar) in self.rows.iter().enumerate() {
            let top = TOP + ROW * at as f64;
            let middle = top + ROW / 2.0;
            let (low, high) = (x_of(bar.spread.0), x_of(bar.spread.1));
            let _ = write!(
                svg,
                "<text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>\
                 <rect class=\"c{}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <line class=\"spread\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\
                 <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                LEFT - 8.0,
                middle + 4.0,
                escaped(&bar.name),
                bar.colour % COLOURS,
                top + 4.0,
                x_of(bar.value) - LEFT,
                ROW - 8.0,
                high.max(x_of(bar.value)) + 6.0,
                middle + 4.0,
                escaped(&bar.text) + if bar.value > cut { " (cut off)" } else { "" }
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"label\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text></svg></figure>",
            f64::midpoint(LEFT, RIGHT),
            bottom + 40.0,
            escaped(self.label)
        );
        svg
    }

    /// Where a bar is cut off that is so much longer than the next one that nothing could be told of the others.
    fn cut(&self) -> f64 {
        let mut values: Vec<f64> = self.rows.iter().map(|bar| bar.value).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        match values[..] {
            [longest, next, ..] if longest > next * OUTLIER && next > 0.0 => next * 1.2,
            _ => f64::INFINITY,
        }
    }
}

/// How many times as long as the next one.
const OUTLIER: f64 = 4.0;

const WIDTH: f64 = 760.0;

const LEFT: f64 = 150.0;

/// Room for the text of the longest bar.
const RIGHT: f64 = 560.0;

const TOP: f64 = 6.0;

const ROW: f64 = 28.0;
