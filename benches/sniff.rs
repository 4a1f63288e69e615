//! How long it takes to find a member of a JSON body, against libraries that could do it too.
//!
//! The member looked for is the first of the body, the last, or not there; the bodies are compact, as most providers send
//! them. `cargo bench --bench sniff`

// The tests of the files below are compiled, and not run.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use simd_json::prelude::ValueAsScalar;

#[cfg(target_arch = "x86_64")]
#[path = "../src/sniff/avx2.rs"]
mod avx2;

#[path = "../src/sniff/escape.rs"]
mod escape;

#[path = "../src/sniff/json.rs"]
mod json;

#[path = "../src/sniff/scan.rs"]
mod scan;

#[path = "../src/sniff/text.rs"]
mod text;

/// A small body, one as GitHub sends it for a push, and one as large as they get.
fn bodies() -> [Vec<u8>; 3] {
    let small = json!({ "object": { "id": "in_1", "lines": [{ "amount": 4200, "currency": "eur", "period": [1, 2] }], "customer": {
        "id": "cus_1", "name": "Jenny Rosen", "address": { "city": "Berlin", "line1": "Hauptstraße 1" } } } });
    let names = ["pull_request.opened.json", "workflow_run.completed.json", "push.json", "issues.opened.json"];
    let mut large = Vec::new();
    let mut bytes = 0;
    for payload in names.iter().cycle().map(|name| payload(name)) {
        bytes += payload.to_string().len();
        large.push(payload);
        if bytes > 100 << 10 {
            break;
        }
    }
    [with_ends(&small), with_ends(&payload("push.json")), with_ends(&Value::Array(large))]
}

fn payload(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/github").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The payload between a first and a last member.
fn with_ends(payload: &Value) -> Vec<u8> {
    format!(r#"{{"first":"evt_1","payload":{payload},"last":"invoice.paid"}}"#).into_bytes()
}

fn finding_a_member(criterion: &mut Criterion) {
    for bytes in bodies() {
        let mut group = criterion.benchmark_group(format!("{} bytes", bytes.len()));
        for member in ["first", "last", "absent"] {
            let path = [member.to_owned()];
            let expected = serde_json::from_slice::<Value>(&bytes).unwrap()[member].as_str().map(str::to_owned);
            let found = json::find(&bytes, &path);
            assert_eq!(found.as_ref().map(|text| text.in_body(&bytes)), expected.as_deref());

            group.throughput(Throughput::Bytes(bytes.len() as u64));
            group.bench_function(BenchmarkId::new("hookgate", member), |bench| {
                bench.iter(|| json::find(black_box(&bytes), black_box(&path)));
            });
            group.bench_function(BenchmarkId::new("sonic-rs get_unchecked", member), |bench| {
                bench.iter(|| unchecked(black_box(&bytes), member));
            });
            group.bench_function(BenchmarkId::new("sonic-rs get", member), |bench| {
                bench.iter(|| {
                    sonic_rs::get(black_box(bytes.as_slice()), [member]).ok().map(|text| text.as_raw_str().len())
                });
            });
            group.bench_function(BenchmarkId::new("simd-json tape", member), |bench| {
                let mut copy = Vec::with_capacity(bytes.len());
                let mut buffers = simd_json::Buffers::new(bytes.len());
                bench.iter(|| {
                    copy.clear();
                    copy.extend_from_slice(black_box(&bytes));
                    let tape = simd_json::to_tape_with_buffers(&mut copy, &mut buffers).unwrap();
                    tape.as_value().get(member).and_then(|value| value.as_str().map(str::len))
                });
            });
            group.bench_function(BenchmarkId::new("serde_json Value", member), |bench| {
                bench.iter(|| {
                    let value: Value = serde_json::from_slice(black_box(&bytes)).unwrap();
                    value.get(member).and_then(|value| value.as_str().map(str::len))
                });
            });
        }
        group.finish();
    }
}

/// Only sound because the bytes are JSON, which no gateway can know: hence a rival in speed alone.
#[allow(unsafe_code)]
fn unchecked(bytes: &[u8], member: &str) -> Option<usize> {
    // SAFETY: every body of this bench was written by serde_json.
    unsafe { sonic_rs::get_unchecked(bytes, [member]) }.ok().map(|text| text.as_raw_str().len())
}

criterion_group!(benches, finding_a_member);
criterion_main!(benches);
