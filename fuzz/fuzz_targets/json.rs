//! See `hookgate::fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::json(data));
