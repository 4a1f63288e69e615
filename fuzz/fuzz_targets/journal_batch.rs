//! See `hookgate::fuzz::journal_batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::journal_batch(data));
