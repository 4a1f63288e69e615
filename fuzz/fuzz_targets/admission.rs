//! See `hookgate::fuzz::admission`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::admission(data));
