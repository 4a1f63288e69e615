//! What the journal does to a batch before it is written: each event is copied into one buffer, and a checksum is made over all.
//!
//! Two decisions rest on it:
//!
//! - *Events are gathered in one buffer* (`batch`) instead of being written from where they lie, with a vector of pieces: the copy,
//!   which is what could be saved, is `copied`. It has to be small beside the write and the sync of as many bytes, which
//!   `loadtest disk --ways` measures with the device.
//! - *The checksum is CRC-32C by instructions of the processor* (`crc32c`), which is what else the batch costs. It is not the
//!   fastest: CRC-32 as `crc32fast` folds it, which is in the binary too, takes three fifths of the time, 0.5 µs less for an
//!   event of 7.3 KB. But from 11 KiB on it is sure to notice no more than two changed bits, and CRC-32C three, up to 256 MiB
//!   (P. Koopman, "CRC Polynomial Zoo", <https://users.ece.cmu.edu/~koopman/crc/>). A batch has up to 1 MiB.
//!
//! `cargo bench --features benches --bench journal`

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hookgate::bench::Gathering;

fn batch(criterion: &mut Criterion) {
    for size in [250, 7_300, 105_000] {
        let mut group = criterion.benchmark_group(format!("journal/{size}"));
        for events in [1, 64] {
            let bodies = bodies(size, events);
            let mut gathering = Gathering::new(bodies.iter().map(Vec::as_slice));
            let bytes = gathering.batch().to_vec();
            assert!(bytes.len() >= size * events && bytes.len().is_multiple_of(4096));
            group.throughput(Throughput::Bytes((size * events) as u64));
            group.bench_function(BenchmarkId::new("batch", events), |bench| {
                bench.iter(|| black_box(gathering.batch()).len());
            });
            group.bench_function(BenchmarkId::new("copied", events), |bench| {
                let mut buffer = Vec::with_capacity(bytes.len());
                bench.iter(|| {
                    buffer.clear();
                    black_box(&bodies).iter().for_each(|body| buffer.extend_from_slice(body));
                    black_box(&buffer).len()
                });
            });
            group.bench_function(BenchmarkId::new("crc32c", events), |bench| {
                bench.iter(|| crc32c::crc32c(black_box(&bytes)));
            });
            group.bench_function(BenchmarkId::new("crc32fast", events), |bench| {
                bench.iter(|| crc32fast::hash(black_box(&bytes)));
            });
        }
        group.finish();
    }
}

/// Distinct ones, each in a buffer of its own as events are.
fn bodies(size: usize, events: usize) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..events).map(|_| std::iter::repeat_with(|| random.u8(b' '..=b'~')).take(size).collect()).collect()
}

criterion_group!(benches, batch);
criterion_main!(benches);
