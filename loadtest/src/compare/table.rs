//! The comparison as text: a table for each size.

use std::fmt::Write as _;

use super::contender::{CONTENDERS, Setup};
use super::results::{Bound, Comparison, OfSize, Ratio, Row, Spread, Summary};
use super::rustls_alone::RustlsAlone;
use super::started::BATCH;
use crate::figures::{Bytes, Grouped, Time, columns};

/// Everything, for a terminal.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut out = String::new();
    if comparison.partial {
        out.push_str("PARTIAL: ended early.\n");
    }
    let _ = writeln!(out, "{}", conditions(comparison));
    for size in &comparison.sizes {
        let _ = writeln!(out, "\n{}", heading(size));
        out.push_str(&columns(&saturated(size)));
        if let Some(line) = rustls_alone(size) {
            let _ = writeln!(out, "{line}");
        }
        for table in [disk_saturated(size), on_schedule(size), disk_on_schedule(size)] {
            if table.len() > 1 {
                out.push('\n');
                out.push_str(&columns(&table));
            }
        }
    }
    out.push('\n');
    for line in notes(comparison) {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// Machine, date, cores, connections.
pub(super) fn conditions(comparison: &Comparison) -> String {
    let Comparison { machine, hookgate, cores, connections, client_spins, rounds, sample_s, warmup_s, .. } = comparison;
    let client = if *client_spins { "spinning client" } else { "client" };
    format!(
        "{} · {} cores · Linux {} · {}\n{hookgate} · servers on core {}, {client} on core {} · {connections} connections, kept \
         alive · {rounds} rounds in turn of {sample_s:.1} s after {warmup_s:.1} s",
        machine.cpu, machine.cores, machine.kernel, machine.date, cores.server, cores.client
    )
}

pub(super) fn heading(size: &OfSize) -> String {
    format!(
        "{}: {} distinct signed bodies of {} to {} B",
        size.size.label(),
        Grouped(size.bodies.distinct as u64),
        Grouped(size.bodies.min as u64),
        Grouped(size.bodies.max as u64)
    )
}

/// What TLS takes by itself, if there is any.
pub(super) fn rustls_alone(size: &OfSize) -> Option<String> {
    let RustlsAlone { request_us, full_handshake_us, resumed_handshake_us } = size.rustls_alone?;
    Some(format!(
        "rustls alone, a server's part: {} to decrypt a request of {} B and encrypt its answer, {} for a whole handshake, {} for a \
         resumed one",
        Time(request_us),
        Grouped(size.bodies.median as u64),
        Time(full_handshake_us),
        Time(resumed_handshake_us)
    ))
}

/// Closed loop: rate and CPU time.
pub(super) fn saturated(size: &OfSize) -> Vec<Vec<String>> {
    let head = [
        "closed loop",
        "answered when",
        "events/s",
        "min–max",
        "CPU µs",
        "memory",
        "rate ×",
        "CPU ×",
        "missed",
        "client idle",
    ];
    let rows = size.rows.iter().filter_map(|row| {
        let summary = row.saturated.as_ref()?;
        let (rate, cpu) = ratios(row);
        Some(vec![
            row.name.to_owned(),
            row.durability.label().to_owned(),
            format!("{}{}", if summary.client_bound { "≥ " } else { "" }, whole(summary.rate.median)),
            format!("{}–{}", whole(summary.rate.min), whole(summary.rate.max)),
            us(summary.cpu_us_per_event),
            Bytes(summary.memory_bytes.median).to_string(),
            rate,
            cpu,
            Grouped(summary.missed).to_string(),
            percent(summary.client_idle),
        ])
    });
    std::iter::once(head.map(ToOwned::to_owned).to_vec()).chain(rows).collect()
}

/// Open loop: latency.
pub(super) fn on_schedule(size: &OfSize) -> Vec<Vec<String>> {
    let head = [
        "open loop",
        "answered when",
        "scheduled/s",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
        "p99 ×",
        "CPU µs",
        "missed",
        "client idle",
    ];
    let rows = size.rows.iter().filter_map(|row| {
        let run = row.on_schedule.as_ref()?;
        let Summary { latency_us: Some(at), cpu_us_per_event, missed, client_idle, .. } = &run.summary else {
            return None;
        };
        let mut cells =
            vec![row.name.to_owned(), row.durability.label().to_owned(), Grouped(run.scheduled_rate).to_string()];
        cells.extend([at.p50, at.p90, at.p99, at.p999, at.max].map(|us| Time(us).to_string()));
        cells.push(run.p99_ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")));
        cells.extend([us(*cpu_us_per_event), Grouped(*missed).to_string(), percent(*client_idle)]);
        Some(cells)
    });
    std::iter::once(head.map(ToOwned::to_owned).to_vec()).chain(rows).collect()
}

/// Closed loop: the disk beside the journal.
pub(super) fn disk_saturated(size: &OfSize) -> Vec<Vec<String>> {
    disk(size, "closed loop", |row| row.saturated.as_ref())
}

/// Open loop: the same.
pub(super) fn disk_on_schedule(size: &OfSize) -> Vec<Vec<String>> {
    disk(size, "open loop", |row| row.on_schedule.as_ref().map(|run| &run.summary))
}

fn disk(size: &OfSize, part: &str, of: fn(&Row) -> Option<&Summary>) -> Vec<Vec<String>> {
    let head = [
        part,
        "events/batch",
        "bytes/batch",
        "disk p50",
        "answer ×",
        "disk p99",
        "answer ×",
        "arrival p99",
        "answer ×",
        "disk MB/s",
        "disk events/s",
        "CPU events/s",
        "rate ×",
    ];
    let rows = size.rows.iter().filter_map(|row| {
        let disk = of(row)?.disk.as_ref()?;
        Some(vec![
            row.name.to_owned(),
            format!("{:.1}", disk.batch_events.median),
            whole(disk.batch_bytes.median),
            Time(disk.p50_us.median).to_string(),
            format!("{:.2}", disk.answer_p50_over),
            Time(disk.p99_us.median).to_string(),
            format!("{:.2}", disk.answer_p99_over),
            Time(disk.arrival_p99_us.median).to_string(),
            format!("{:.2}", disk.answer_p99_over_arrival),
            whole(disk.megabytes_per_second.median),
            whole(disk.disk_limit),
            whole(disk.cpu_limit),
            format!("{:.2}", disk.rate_over_limit),
        ])
    });
    std::iter::once(head.map(ToOwned::to_owned).to_vec()).chain(rows).collect()
}

/// What must be known to read the tables.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let mut notes = vec![
        "Medians of the rounds. CPU: of all the server's processes, per accepted event. ×: hookgate's median, with the \
         acknowledgement that promises as much, over this server's (p99 only where both had the same schedule); in the row of \
         hookgate-durable its own over hookgate-memory's, in those of other hookgates over the one that differs in nothing but that."
            .to_owned(),
        "Client idle: share of the time in which its busiest thread had nothing to do, be it that it slept or that it looked in \
         vain. Below 5 % the figures are the client's own."
            .to_owned(),
    ];
    let rows = || comparison.sizes.iter().flat_map(|size| &size.rows);
    if rows().flat_map(Row::summaries).any(|summary| summary.disk.is_some()) {
        notes.push(
            "Disk: write and fdatasync, one after the other, of as many bytes as the journal's batches had, right after each sample, \
             on the server's cores. Arrival: what an event waits that comes at any time, for the rest of the sync under way and for \
             the next. Answer ×: the answer's median, or p99, over the disk's. Disk and CPU events/s: what the disk and \
             the server's cores would have time for; rate ×: the rate over the lesser one."
                .to_owned(),
        );
    }
    let has = |setup| rows().any(|row| CONTENDERS.iter().any(|one| one.name == row.name && one.is(setup)));
    if has(Setup::Delivers) || has(Setup::DeliversBatches) {
        let each = comparison.batch.map_or("one event each".to_owned(), |batch| format!("up to {batch} events each"));
        let batch = comparison.batch.unwrap_or(BATCH);
        notes.push(format!(
            "hookgate-…-http, -http-batch: events a second that arrived at a processor on the client's thread, {each}, \
             -batch up to {batch}; no more are sent than have come back, and a sample counts only if all that was acknowledged has arrived."
        ));
    }
    if has(Setup::JournalApart) {
        let Comparison { journal_cores, cores, .. } = comparison;
        let sleeps = if journal_cores.has_any_of(&cores.client) { ", which therefore sleeps" } else { "" };
        let whose = if sleeps.is_empty() { "" } else { " beside the client" };
        notes.push(format!("hookgate-durable-apart: the journal's thread is on core {journal_cores}{whose}{sleeps}."));
    }
    let is_bound = |row: &Row| row.saturated.as_ref().is_some_and(|summary| summary.client_bound);
    if comparison.sizes.iter().flat_map(|size| &size.rows).any(is_bound) {
        notes.push(
            "≥ and ≤: the client could not send more, so the rate is a lower bound of the server's; a ratio of two such rates is \
             not given. CPU per event counts nonetheless."
                .to_owned(),
        );
    }
    let thrown: u32 = comparison.thrown_away.values().sum();
    if thrown > 0 {
        let reasons: Vec<_> = comparison.thrown_away.iter().map(|(why, times)| format!("{times} × {why}")).collect();
        notes.push(format!("Thrown away and taken again: {thrown} samples ({}).", reasons.join("; ")));
    }
    notes.extend(comparison.skipped.iter().map(|(name, why)| format!("Left out: {name}: {why}.")));
    notes
}

fn ratios(row: &Row) -> (String, String) {
    let Some(Ratio { rate, bound, cpu }) = row.hookgate_over_this.or(row.this_over_memory).or(row.this_over_plain)
    else {
        return ("–".to_owned(), "–".to_owned());
    };
    let rate = match bound {
        Bound::Exact => format!("{rate:.2}"),
        Bound::AtLeast => format!("≥ {rate:.2}"),
        Bound::AtMost => format!("≤ {rate:.2}"),
        Bound::Unknown => "?".to_owned(),
    };
    (rate, format!("{cpu:.2}"))
}

fn us(spread: Spread) -> String {
    format!("{:.1}", spread.median)
}

fn percent(share: Spread) -> String {
    format!("{:.0} %", share.median * 100.0)
}

fn whole(rate: f64) -> String {
    Grouped(rate.round() as u64).to_string()
}
