//! What was found, as a page.

use std::collections::BTreeMap;

use super::results::{Sweep, reasons};
use super::trial::Held;
use crate::figures::{Grouped, Time};
use crate::load::Quantiles;
use crate::plot::{Bar, Bars, Lines, Page, Scale, Series, percentiles};

pub(super) fn page(sweep: &Sweep) -> Page {
    let mut page = Page::new("Settings for the most events within the target");
    if sweep.partial {
        page.text("PARTIAL: ended early.");
    }
    for line in sweep.conditions().lines() {
        page.text(line);
    }
    page.heading("What to write");
    page.text(&sweep.knee());
    if let Some(toml) = &sweep.toml {
        page.code(toml);
    }
    page.heading("Settings");
    page.table(&sweep.table());
    page.plot(&rates(sweep));
    page.plot(&workers(sweep));
    if !sweep.curve.is_empty() {
        page.heading("The best setting from low rates to high");
        page.table(&curve_table(&sweep.curve));
        page.plot(&curve(sweep));
        page.plot(&percentile_plot(sweep));
    }
    page
}

fn rates(sweep: &Sweep) -> String {
    let bars = sweep.trials.iter().map(|trial| {
        let rate = trial.best.as_ref().map_or(0.0, |held| held.rate as f64);
        Bar {
            name: trial.setting.short(),
            value: rate,
            spread: (rate, trial.takes),
            text: Grouped(rate as u64).to_string(),
            colour: 0,
        }
    });
    let label = "events per second within the target; the thin line reaches to what it takes in closed loop";
    Bars { title: "Highest rate by setting (io threads · workers · in flight · batch)", label, rows: bars.collect() }
        .svg()
}

fn workers(sweep: &Sweep) -> String {
    let mut lines: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for trial in &sweep.trials {
        let setting = trial.setting;
        let batch = setting.batch.map_or(String::new(), |batch| format!(", batch {batch}"));
        let name = format!("io {}, in flight {}{batch}", setting.io_threads, setting.in_flight);
        let rate = trial.best.as_ref().map_or(0.0, |held| held.rate as f64);
        lines.entry(name).or_default().push((f64::from(setting.workers), rate));
    }
    let series: Vec<_> = lines
        .into_iter()
        .map(|(name, mut points)| {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Series { name, points, dots: true, line: true }
        })
        .collect();
    let all = || series.iter().flat_map(|series| series.points.iter().copied());
    Lines {
        title: "Workers against rate",
        x_label: "workers of each pool (threads)",
        x: Scale::count(all().map(|(workers, _)| workers)),
        y_label: "events per second within the target",
        y: Scale::linear(all().map(|(_, rate)| rate)),
        limit: None,
        series,
    }
    .svg()
}

fn curve_table(curve: &[Held]) -> Vec<Vec<String>> {
    let head = ["events/s", "p50", "p99", "p99.9", "max", "CPU µs", "kept"];
    let rows = curve.iter().map(|held| {
        let time = |of: fn(&Quantiles) -> f64| {
            held.latency_us.as_ref().map_or("–".to_owned(), |at| Time(of(at)).to_string())
        };
        vec![
            Grouped(held.rate).to_string(),
            time(|at| at.p50),
            time(|at| at.p99),
            time(|at| at.p999),
            time(|at| at.max),
            format!("{:.1}", held.cpu_us_per_event),
            if held.fault.is_none() { "yes".to_owned() } else { reasons(held) },
        ]
    });
    std::iter::once(head.map(ToOwned::to_owned).to_vec()).chain(rows).collect()
}

fn curve(sweep: &Sweep) -> String {
    let line = |name: &str, of: fn(&Quantiles) -> f64| Series {
        name: name.to_owned(),
        points: sweep.curve.iter().filter_map(|held| Some((held.rate as f64, of(&held.latency_us?)))).collect(),
        dots: true,
        line: true,
    };
    let series = vec![line("p50", |at| at.p50), line("p99", |at| at.p99), line("p99.9", |at| at.p999)];
    let all = || series.iter().flat_map(|series| series.points.iter().copied());
    Lines {
        title: "Latency against rate: where it bends is the knee",
        x_label: "events per second, on schedule",
        x: Scale::linear(all().map(|(rate, _)| rate)),
        y_label: "latency of the answer",
        y: Scale::log(all().map(|(_, us)| us).chain([sweep.target_p99_us])),
        limit: Some((sweep.target_p99_us, format!("target: p99 ≤ {}", Time(sweep.target_p99_us)))),
        series,
    }
    .svg()
}

fn percentile_plot(sweep: &Sweep) -> String {
    let series: Vec<_> = sweep
        .curve
        .iter()
        .map(|held| Series {
            name: format!("{}/s", Grouped(held.rate)),
            points: percentiles(&held.latency),
            dots: false,
            line: true,
        })
        .collect();
    let all = || series.iter().flat_map(|series| series.points.iter().map(|(_, us)| *us));
    Lines {
        title: "Latency by percentile",
        x_label: "percentile of all requests, from the time each was scheduled for (%)",
        x: Scale::Nines { max: 4.0 },
        y_label: "latency of the answer",
        y: Scale::log(all()),
        limit: None,
        series,
    }
    .svg()
}
