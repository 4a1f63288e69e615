//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use crate::counters::LATENCY_BOUNDS_US;

/// A page of metrics under construction.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// The content type of the finished page.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The buckets and the sum of a histogram.
pub(super) type Reading = ([u64; LATENCY_BOUNDS_US.len() + 1], u64);

/// Names and values of labels.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

impl Exposition {
    /// Begins a metric: its samples follow. `kind` is `counter`, `gauge` or `histogram`.
    pub(super) fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// One sample.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl std::fmt::Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    /// A histogram in seconds, summed over `parts`, each as [`crate::counters::Latencies::read`] gives it.
    pub(super) fn histogram(&mut self, name: &str, labels: &Labels<'_>, parts: impl Iterator<Item = Reading>) {
        let mut buckets = [0; LATENCY_BOUNDS_US.len() + 1];
        let mut sum_us = 0;
        for (counts, us) in parts {
            buckets.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
            sum_us += us;
        }
        let mut count = 0;
        let bounds = LATENCY_BOUNDS_US.iter().map(|us| (*us as f64 / 1e6).to_string()).chain(["+Inf".to_owned()]);
        for (bucket, bound) in buckets.iter().zip(bounds) {
            count += bucket;
            let _ = write!(self.0, "{name}_bucket");
            self.labels(labels, Some(&bound));
            let _ = writeln!(self.0, " {count}");
        }
        self.sample(&format!("{name}_sum"), labels, sum_us as f64 / 1e6);
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn labels(&mut self, labels: &Labels<'_>, bound: Option<&str>) {
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (name, value) in all {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{separator}{name}=\"{value}\"");
            separator = ',';
        }
        if separator == ',' {
            self.0.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::counters::Latencies;

    #[test]
    fn samples_carry_escaped_labels() {
        let mut page = Exposition::default();
        page.metric("hookgate_x_total", "counter", "Things.");
        page.sample("hookgate_x_total", &[("source", "a\"b\\c\nd")], 3);
        page.sample("hookgate_x_total", &[], 4);
        let expected = "# HELP hookgate_x_total Things.\n# TYPE hookgate_x_total counter\n\
                        hookgate_x_total{source=\"a\\\"b\\\\c\\nd\"} 3\nhookgate_x_total 4\n";
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn a_histogram_is_cumulative_and_ends_at_infinity() {
        let (one, two): (Latencies, Latencies) = Default::default();
        one.record(Duration::from_micros(40));
        two.record(Duration::from_hours(1));
        let mut page = Exposition::default();
        page.histogram("h", &[("route", "r")], [one.read(), two.read()].into_iter());
        let page = page.finish();
        assert!(page.contains("h_bucket{route=\"r\",le=\"0.00005\"} 1\n"), "{page}");
        assert!(page.contains("h_bucket{route=\"r\",le=\"+Inf\"} 2\n"), "{page}");
        assert!(page.contains("h_sum{route=\"r\"} 3600.00004\n"), "{page}");
        assert!(page.contains("h_count{route=\"r\"} 2\n"), "{page}");
    }
}
