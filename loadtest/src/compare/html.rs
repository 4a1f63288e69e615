//! The comparison as a page.

use super::results::{Comparison, OfSize, Row, Spread, Summary};
use super::table::{
    conditions, disk_on_schedule, disk_saturated, heading, notes, on_schedule, rustls_alone, saturated,
};
use crate::figures::Grouped;
use crate::plot::{Bar, Bars, Lines, Page, Scale, Series, percentiles};

pub(super) fn page(comparison: &Comparison) -> Page {
    let mut page = Page::new("hookgate and what one would use instead");
    if comparison.partial {
        page.text("PARTIAL: ended early.");
    }
    for line in conditions(comparison).lines() {
        page.text(line);
    }
    for size in &comparison.sizes {
        page.heading(&heading(size));
        page.table(&saturated(size));
        if let Some(line) = rustls_alone(size) {
            page.text(&line);
        }
        page_disk(&mut page, &disk_saturated(size));
        page.plot(&bars(size, "CPU time per event", "µs of CPU per accepted event, less is better", 1, |summary| {
            summary.cpu_us_per_event
        }));
        page.plot(&bars(size, "Rate", "accepted events per second, closed loop, more is better", 0, |summary| {
            summary.rate
        }));
        let latency = on_schedule(size);
        if latency.len() > 1 {
            page.table(&latency);
            page_disk(&mut page, &disk_on_schedule(size));
            page.plot(&latencies(size));
        }
    }
    page.heading("How to read this");
    for note in notes(comparison) {
        page.text(&note);
    }
    for row in comparison.sizes.first().map(|size| &size.rows[..]).unwrap_or_default() {
        page.text(&format!("{}: {} ({}).", row.name, row.about, row.durability.label()));
    }
    page
}

/// What the disk did beside the journals, if there were any.
fn page_disk(page: &mut Page, table: &[Vec<String>]) {
    if table.len() > 1 {
        page.table(table);
    }
}

fn bars(size: &OfSize, title: &str, label: &str, decimals: usize, value: fn(&Summary) -> Spread) -> String {
    let bars = size.rows.iter().enumerate().filter_map(|(colour, row)| {
        let summary = row.saturated.as_ref()?;
        let Spread { median, min, max } = value(summary);
        let number = if decimals == 0 { Grouped(median.round() as u64).to_string() } else { format!("{median:.1}") };
        let at_least = if decimals == 0 && summary.client_bound { "≥ " } else { "" };
        let text = format!("{at_least}{number} · {}", row.durability.label());
        Some(Bar { name: row.name.to_owned(), value: median, spread: (min, max), text, colour })
    });
    Bars { title: &format!("{title}, {}", size.size.label()), label, rows: bars.collect() }.svg()
}

fn latencies(size: &OfSize) -> String {
    let histogram = |row: &Row| row.on_schedule.as_ref().map(|run| run.summary.latency.clone());
    let series: Vec<Series> = size
        .rows
        .iter()
        .map(|row| Series {
            name: row.on_schedule.as_ref().map_or_else(
                || row.name.to_owned(),
                |run| format!("{} at {}/s", row.name, Grouped(run.scheduled_rate)),
            ),
            points: histogram(row).map(|histogram| percentiles(&histogram)).unwrap_or_default(),
            dots: false,
            line: true,
        })
        .collect();
    let all = || series.iter().flat_map(|series| series.points.iter().map(|(_, us)| *us));
    Lines {
        title: &format!("Latency of the answer by percentile, {}", size.size.label()),
        x_label: "percentile of all requests, from the time each was scheduled for (%)",
        x: Scale::Nines { max: 4.0 },
        y_label: "latency",
        y: Scale::log(all()),
        limit: None,
        // Empty ones keep their place, and so every name its colour; the legend leaves them out.
        series,
    }
    .svg()
}
