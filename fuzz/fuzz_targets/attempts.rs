//! See `hookgate::fuzz::attempts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::attempts(data));
