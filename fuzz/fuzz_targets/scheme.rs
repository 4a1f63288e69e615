//! See `hookgate::fuzz::scheme`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::scheme(data));
