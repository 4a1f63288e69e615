//! See `hookgate::fuzz::formats`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::formats(data));
