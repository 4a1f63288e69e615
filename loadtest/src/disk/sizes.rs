//! Synced writes by size: the floor under a durable answer.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::DiskArgs;
use super::file::{BLOCK, Opened, Prepared};
use super::median::{LONGEST_NS, median};
use crate::bar::Bar;

/// What one size of a write took.
#[derive(Debug, Serialize)]
struct Row {
    bytes: usize,
    /// Microseconds of write and sync: the median of all rounds.
    median_us: f64,
    p99_us: f64,
    /// Synced megabytes (10⁶ bytes) a second, if writes follow each other.
    megabytes_per_second: f64,
}

pub(super) fn run(args: &DiskArgs) -> anyhow::Result<()> {
    let mut files = Vec::new();
    for size in SIZES {
        let file_size = (size as u64 * 64).clamp(4 << 20, 256 << 20);
        let file = Prepared::new(&args.dir, &size.to_string(), file_size, Opened::Buffered)
            .with_context(|| format!("cannot prepare a file in {}", args.dir.display()))?;
        files.push((file, vec![b'x'; size], Vec::new(), Histogram::<u64>::new_with_max(LONGEST_NS, 3)?));
    }
    let mut bar = Bar::new(ROUND * args.rounds as u32);
    for _ in 0..args.rounds {
        for (file, piece, rates, latencies) in &mut files {
            let begun = Instant::now();
            for _ in 0..args.batches {
                let one = Instant::now();
                file.append(piece).context("cannot write")?;
                latencies.saturating_record(one.elapsed().as_nanos() as u64);
            }
            rates.push(rate(piece.len() * args.batches, begun.elapsed()));
        }
        bar.end(ROUND);
    }
    bar.clear();
    let rows: Vec<Row> = files
        .into_iter()
        .map(|(_, piece, rates, latencies)| Row {
            bytes: piece.len(),
            median_us: latencies.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: latencies.value_at_quantile(0.99) as f64 / 1e3,
            megabytes_per_second: median(rates),
        })
        .collect();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    println!("write + fdatasync into a file written before, {} rounds of {}:", args.rounds, args.batches);
    println!("{:>10} {:>12} {:>12} {:>10}", "bytes", "median µs", "p99 µs", "MB/s");
    for row in rows {
        let Row { bytes, median_us, p99_us, megabytes_per_second } = row;
        println!("{bytes:>10} {median_us:>12.0} {p99_us:>12.0} {megabytes_per_second:>10.0}");
    }
    Ok(())
}

fn rate(bytes: usize, took: Duration) -> f64 {
    bytes as f64 / took.as_secs_f64().max(f64::EPSILON) / 1e6
}

/// What the bar takes a round for: all are about as long.
const ROUND: Duration = Duration::from_secs(1);

/// Batches of one small event to batches of many large ones.
const SIZES: [usize; 5] = [BLOCK, 8 * BLOCK, 64 * BLOCK, 256 * BLOCK, 1024 * BLOCK];
