//! A plot of lines, its axes labelled with their units.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::page::escaped;
use super::scale::Scale;

/// The plot.
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    /// What the axis shows, with its unit.
    pub(crate) x_label: &'a str,
    pub(crate) x: Scale,
    pub(crate) y_label: &'a str,
    pub(crate) y: Scale,
    /// A line across at this height: a limit.
    pub(crate) limit: Option<(f64, String)>,
    pub(crate) series: Vec<Series>,
}

/// A line.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    /// Mark each point, where they are few.
    pub(crate) dots: bool,
    /// Connect them.
    pub(crate) line: bool,
}

impl Lines<'_> {
    /// The plot and its legend.
    pub(crate) fn svg(&self) -> String {
        let mut svg = String::new();
        let _ = write!(
            svg,
            "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
            escaped(self.title),
            escaped(self.title)
        );
        self.axes(&mut svg);
        if let Some((value, text)) = &self.limit {
            let y = self.y_of(*value);
            let _ = write!(
                svg,
                "<line class=\"limit\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"limit\" x=\"{}\" y=\"{:.1}\">{}</text>",
                LEFT + 6.0,
                y - 5.0,
                escaped(text)
            );
        }
        for (at, series) in self.series.iter().enumerate() {
            self.line(&mut svg, at % COLOURS, series);
        }
        svg.push_str("</svg><ul class=\"legend\">");
        for (at, series) in self.series.iter().enumerate().filter(|(_, series)| !series.points.is_empty()) {
            let _ = write!(svg, "<li><i class=\"c{}\"></i>{}</li>", at % COLOURS, escaped(&series.name));
        }
        svg.push_str("</ul></figure>\n");
        svg
    }

    fn axes(&self, svg: &mut String) {
        for (value, text) in self.x.marks() {
            let x = self.x_of(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
                 <text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{text}</text>",
                BOTTOM + 18.0
            );
        }
        for (value, text) in self.y.marks() {
            let y = self.y_of(value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let middle = f64::midpoint(TOP, BOTTOM);
        let _ = write!(
            svg,
            "<text class=\"label\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>\
             <text class=\"label\" text-anchor=\"middle\" transform=\"translate(16 {middle}) rotate(-90)\">{}</text>",
            f64::midpoint(LEFT, RIGHT),
            HEIGHT - 8.0,
            escaped(self.x_label),
            escaped(self.y_label)
        );
    }

    fn line(&self, svg: &mut String, colour: usize, series: &Series) {
        if series.line {
            let _ = write!(svg, "<polyline class=\"c{colour}\" points=\"");
            for (x, y) in &series.points {
                let _ = write!(svg, "{:.1},{:.1} ", self.x_of(*x), self.y_of(*y));
            }
            svg.push_str("\"/>");
        }
        if series.dots {
            for (x, y) in &series.points {
                let _ = write!(
                    svg,
                    "<circle class=\"c{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{}: {x:.0}, {y:.0}</title></circle>",
                    self.x_of(*x),
                    self.y_of(*y),
                    escaped(&series.name)
                );
            }
        }
    }

    fn x_of(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (RIGHT - LEFT)
    }

    fn y_of(&self, value: f64) -> f64 {
        BOTTOM - self.y.place(value) * (BOTTOM - TOP)
    }
}

/// The points of a percentile plot: quantile and microseconds, from a histogram of nanoseconds.
pub(crate) fn percentiles(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let most = (histogram.len() as f64).log10();
    (0..=200)
        .map(|step| f64::from(step) * 4.0 / 200.0)
        .take_while(|nines| *nines <= most)
        .map(|nines| 1.0 - 10_f64.powf(-nines))
        .map(|quantile| (quantile, histogram.value_at_quantile(quantile) as f64 / 1e3))
        .collect()
}

const WIDTH: f64 = 760.0;

const HEIGHT: f64 = 400.0;

const LEFT: f64 = 84.0;

const RIGHT: f64 = 736.0;

const TOP: f64 = 14.0;

const BOTTOM: f64 = 342.0;

/// Colours of the page's style sheet: `c0` to `c9`.
pub(super) const COLOURS: usize = 10;
