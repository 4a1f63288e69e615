//! Each target on its corpus and on seeded mutations of it, as an ordinary test.
//!
//! `HOOKGATE_FUZZ_RUNS` says how many mutations, `HOOKGATE_FUZZ_SEED` from which seed on: the same seed is the same input, as
//! long as the corpus is the same.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use fastrand::Rng;

/// Mutations of each target, if nothing else is said.
const RUNS: u64 = 10_000;

/// No mutation is longer, so that long inputs do not take all the time.
const BYTES_MAX: usize = 8192;

/// What means something to some parser.
const TOKENS: [&[u8]; 40] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u0061",
    b"\\ud800",
    b"\":",
    b",",
    b"null",
    b"-",
    b"1e999",
    b"00",
    b"\"type\":\"a\"",
    b"\"a\":{\"b\":1}",
    b"<a>",
    b"</a>",
    b"<b type='x'>",
    b"<![CDATA[",
    b"]]>",
    b"&amp;",
    b"&#0;",
    b"&x;",
    b"<!DOCTYPE a>",
    b"<?xml version=\"1.0\"?>",
    b"type=a&",
    b"%",
    b"%00",
    b"+",
    b"\n\n",
    b"\r\n",
    b" = ",
    b"[[source]]\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"=",
    b";",
    b"18446744073709551615",
    b"\0",
];

const NUMBERS: [u32; 9] = [0, 1, 7, 0xff, 0x100, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

#[test]
fn json() {
    drive("json", super::json, &["tests/fixtures/json_test_suite"]);
}

#[test]
fn formats() {
    drive("formats", super::formats, &[]);
}

#[test]
fn inflate() {
    drive("inflate", super::inflate, &[]);
}

#[test]
fn admission() {
    drive("admission", super::admission, &[]);
}

#[test]
fn scheme() {
    drive("scheme", super::scheme, &[]);
}

#[test]
fn requests() {
    drive("requests", super::requests, &[]);
}

#[test]
fn proxy_header() {
    drive("proxy_header", super::proxy_header, &[]);
}

#[test]
fn config() {
    drive("config", super::config, &[]);
}

#[test]
fn attempts() {
    drive("attempts", super::attempts, &[]);
}

#[test]
fn quarantine() {
    drive("quarantine", super::quarantine, &[]);
}

#[test]
fn poll_memory() {
    drive("poll_memory", super::poll_memory, &[]);
}

#[test]
fn journal_records() {
    drive("journal_records", super::journal_records, &[]);
}

#[test]
fn journal_batch() {
    drive("journal_batch", super::journal_batch, &[]);
}

#[test]
fn journal_header() {
    drive("journal_header", super::journal_header, &[]);
}

#[test]
fn journal_page() {
    drive("journal_page", super::journal_page, &[]);
}

#[test]
fn every_target_is_libfuzzers_too_and_has_a_corpus() {
    let files = |folder: &str| files_in(&root().join("fuzz").join(folder));
    let stem = |path: PathBuf| path.file_stem().and_then(|stem| stem.to_str()).map(ToOwned::to_owned);
    let targets: Vec<_> = files("fuzz_targets").into_iter().filter_map(stem).collect();
    let corpora: Vec<_> = files("corpus").into_iter().filter_map(stem).collect();
    assert_eq!(targets, corpora);
    for target in targets {
        let call = format!("pub fn {target}(");
        assert!(include_str!("mod.rs").contains(&call), "{target} is not in src/fuzz/mod.rs");
        let test = format!("drive(\"{target}\", super::{target}, ");
        assert!(include_str!("mutated.rs").contains(&test), "{target} is not driven");
    }
}

/// Feeds a target with its corpus, files of other folders, and mutations of all that.
fn drive(name: &str, target: fn(&[u8]), more: &[&str]) {
    let began = Instant::now();
    let folders = [Path::new("fuzz/corpus").join(name)].into_iter().chain(more.iter().map(PathBuf::from));
    let mut corpus = Vec::new();
    for file in folders.flat_map(|folder| files_in(&root().join(folder))) {
        let input = fs::read(&file).expect("a file of the corpus");
        feed(target, &input, || file.display().to_string());
        corpus.push(input);
    }
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let (runs, first) = (number("HOOKGATE_FUZZ_RUNS", RUNS), number("HOOKGATE_FUZZ_SEED", 0));
    for seed in first..first + runs {
        let input = mutation(&corpus, &mut Rng::with_seed(seed));
        feed(target, &input, || {
            format!("HOOKGATE_FUZZ_SEED={seed} HOOKGATE_FUZZ_RUNS=1 cargo test --lib fuzz::mutated::{name}")
        });
    }
    println!("{name}: {} files and {runs} mutations in {:.1} s", corpus.len(), began.elapsed().as_secs_f64());
}

fn number(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
        Err(_) => otherwise,
    }
}

fn feed(target: fn(&[u8]), input: &[u8], origin: impl FnOnce() -> String) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("it fails on what comes of {}\nb\"{}\"", origin(), input.escape_ascii());
        resume_unwind(panic);
    }
}

/// One of the corpus, changed in one to eight places.
fn mutation(corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.choice(corpus).cloned().unwrap_or_default();
    // Mostly in few places: what is changed in many is soon refused for the first of them.
    let most = rng.usize(1..=8);
    for _ in 0..rng.usize(1..=most) {
        change(&mut input, corpus, rng);
    }
    input.truncate(BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    let end = at + rng.usize(..=(input.len() - at).min(32));
    match rng.u8(..10) {
        0 | 1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
        2 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        3 => drop(input.drain(at..end)),
        4 => {
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let token = TOKENS[rng.usize(..TOKENS.len())];
            input.splice(at..at, token.iter().copied());
        }
        6 => {
            let token = TOKENS[rng.usize(..TOKENS.len())];
            input.splice(at..end, token.iter().copied());
        }
        7 => {
            let number = NUMBERS[rng.usize(..NUMBERS.len())].wrapping_add(rng.u32(..3)).wrapping_sub(1).to_le_bytes();
            let length = number.len().min(input.len() - at);
            input[at..at + length].copy_from_slice(&number[..length]);
        }
        8 => {
            let other = &corpus[rng.usize(..corpus.len())];
            let from = rng.usize(..=other.len());
            let to = from + rng.usize(..=(other.len() - from).min(256));
            input.splice(at..end, other[from..to].iter().copied());
        }
        _ => {
            if rng.u8(..4) == 0 {
                input.truncate(at);
            }
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}
