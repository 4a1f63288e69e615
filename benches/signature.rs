//! What a signature costs, for the sizes of a small event, a usual one and a large one.
//!
//! Two decisions rest on it:
//!
//! - *A source keeps the state of its keys and clones it* (`kept` against `from_secret`): two of the blocks of every message
//!   are those of the key, which shows where the message is short.
//! - *HMAC comes from the `hmac` crate*, which can clone such a state and be fed frame by frame (`kept`), although `aws-lc-rs` is in
//!   the binary for TLS anyway (`aws_lc`).
//!
//! `signer` is the whole of the sending side, so that a load generator knows what it spends. `cargo bench --bench signature`

use std::hint::black_box;
use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::hmac as aws;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use hookgate::config::{Scheme, Secret, SignatureForm};
use hookgate::{Message, Signer};
use http::HeaderName;
use sha2::Sha256;

const KEY: &[u8] = b"It's a Secret to Everybody";

fn signature(c: &mut Criterion) {
    let kept = Hmac::<Sha256>::new_from_slice(KEY).expect("HMAC takes keys of every length");
    let aws_key = aws::Key::new(aws::HMAC_SHA256, KEY);
    let signer = Signer::new(&github(), &Secret::new(KEY)).expect("the scheme is sound");

    for size in [251, 7_300, 105_000] {
        let body: Vec<u8> = std::iter::repeat_with({
            let mut random = fastrand::Rng::with_seed(1);
            move || random.u8(b' '..=b'~')
        })
        .take(size)
        .collect();
        let mut group = c.benchmark_group(format!("signature/{size}"));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("kept", |b| {
            b.iter(|| kept.clone().chain_update(black_box(&body)).finalize().into_bytes());
        });
        group.bench_function("from_secret", |b| {
            b.iter(|| {
                let mac = Hmac::<Sha256>::new_from_slice(black_box(KEY)).expect("HMAC takes keys of every length");
                mac.chain_update(black_box(&body)).finalize().into_bytes()
            });
        });
        group.bench_function("aws_lc", |b| b.iter(|| aws::sign(&aws_key, black_box(&body))));
        group.bench_function("signer", |b| {
            b.iter(|| {
                let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
                signer.headers(&Message { body: black_box(&body), event_type: None, id: "72d3162e", now })
            });
        });
        group.finish();
    }
}

fn github() -> Scheme {
    Scheme {
        form: SignatureForm::Single { prefix: "sha256=".into() },
        ..Scheme::hmac_sha256(HeaderName::from_static("x-hub-signature-256"))
    }
}

criterion_group!(benches, signature);
criterion_main!(benches);
