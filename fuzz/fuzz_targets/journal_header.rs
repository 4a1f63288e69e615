//! See `hookgate::fuzz::journal_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::journal_header(data));
