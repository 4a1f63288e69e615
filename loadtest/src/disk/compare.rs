//! Ways to write a batch, on distinct real bodies.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use clap::ValueEnum as _;
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::DiskArgs;
use super::median::{LONGEST_NS, median};
use super::ways::{Way, Writer};
use crate::bar::Bar;
use crate::corpus::Size;

/// What one way cost at one size of body and batch.
#[derive(Debug, Serialize)]
struct Row {
    body: &'static str,
    events: usize,
    way: &'static str,
    events_per_second: f64,
    /// Of the writing thread. What the kernel does for it in threads of its own is not in it.
    cpu_us_per_event: f64,
    p50_us: f64,
    p99_us: f64,
    /// Bytes on disk of an event.
    bytes_per_event: f64,
}

/// A way under measurement.
struct Measured {
    way: Way,
    writer: Writer,
    rates: Vec<f64>,
    cpu: Vec<f64>,
    latencies: Histogram<u64>,
    bytes: usize,
    events: usize,
}

pub(super) fn run(args: &DiskArgs) -> anyhow::Result<()> {
    let mut bar = Bar::new(TURN * (Size::value_variants().len() * args.events.len() * args.rounds) as u32);
    let mut rows = Vec::new();
    let mut distinct = 0;
    for &size in Size::value_variants() {
        let bodies: Vec<Bytes> = size.payloads().into_iter().map(|payload| payload.body).collect();
        distinct = bodies.len();
        for &events in &args.events {
            bar.begin(format!("{} bodies, {events} a batch", size.label()));
            let mut ways = prepare(args, &bodies, events)?;
            for round in 0..args.rounds {
                for measured in &mut ways {
                    measured.turn(&bodies, events, args.batches, round).context("cannot write")?;
                }
                bar.end(TURN);
            }
            rows.extend(ways.into_iter().map(|measured| measured.row(size, events)));
        }
    }
    bar.clear();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!("{distinct} distinct bodies; {} rounds of {} batches for each way in turn:", args.rounds, args.batches);
    for row in &rows {
        if row.way == Way::Gathered.label() {
            println!("\n{} bodies, {} events a batch", row.body, row.events);
            println!(
                "{:<28} {:>10} {:>12} {:>10} {:>10} {:>12}",
                "", "events/s", "CPU µs/event", "p50 µs", "p99 µs", "bytes/event"
            );
        }
        println!(
            "{:<28} {:>10.0} {:>12.2} {:>10.0} {:>10.0} {:>12.0}",
            row.way, row.events_per_second, row.cpu_us_per_event, row.p50_us, row.p99_us, row.bytes_per_event
        );
    }
    Ok(())
}

fn prepare(args: &DiskArgs, bodies: &[Bytes], events: usize) -> anyhow::Result<Vec<Measured>> {
    let largest = bodies.iter().map(Bytes::len).max().unwrap_or_default();
    let file_size = ((events * (largest + 512)) as u64 * 8).next_multiple_of(1 << 20).max(64 << 20);
    let mut ways = Vec::new();
    for way in Way::ALL {
        let writer = match Writer::new(way, &args.dir, file_size) {
            Ok(writer) => writer,
            // A file system may have no O_DIRECT, as tmpfs has not.
            Err(error) if way.is_direct() => {
                eprintln!("{} is left out: {error}", way.label());
                continue;
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot prepare a file in {}", args.dir.display()));
            }
        };
        ways.push(Measured {
            way,
            writer,
            rates: Vec::new(),
            cpu: Vec::new(),
            latencies: Histogram::new_with_max(LONGEST_NS, 3)?,
            bytes: 0,
            events: 0,
        });
    }
    Ok(ways)
}

impl Measured {
    fn turn(&mut self, bodies: &[Bytes], events: usize, batches: usize, round: usize) -> std::io::Result<()> {
        // Every way meets the same bodies in the same round.
        let mut from = round * batches * events;
        let mut batch = Vec::with_capacity(events);
        let mut spent = Duration::ZERO;
        let mut cpu = Duration::ZERO;
        for _ in 0..batches {
            batch.clear();
            batch.extend((0..events).filter_map(|at| bodies.get((from + at) % bodies.len())).cloned());
            from += events;
            let (begun, cpu_begun) = (Instant::now(), thread_cpu());
            self.bytes += self.writer.write(&batch)?;
            let took = begun.elapsed();
            cpu += thread_cpu().saturating_sub(cpu_begun);
            spent += took;
            self.latencies.saturating_record(took.as_nanos() as u64);
        }
        let written = events * batches;
        self.events += written;
        self.rates.push(written as f64 / spent.as_secs_f64().max(f64::EPSILON));
        self.cpu.push(cpu.as_secs_f64() * 1e6 / written.max(1) as f64);
        Ok(())
    }

    fn row(self, size: Size, events: usize) -> Row {
        Row {
            body: size.label(),
            events,
            way: self.way.label(),
            events_per_second: median(self.rates),
            cpu_us_per_event: median(self.cpu),
            p50_us: self.latencies.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: self.latencies.value_at_quantile(0.99) as f64 / 1e3,
            bytes_per_event: self.bytes as f64 / self.events.max(1) as f64,
        }
    }
}

/// What the bar takes a round for: all are about as long.
const TURN: Duration = Duration::from_secs(1);

fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
