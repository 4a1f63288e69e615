//! See `hookgate::fuzz::journal_page`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::journal_page(data));
