//! See `hookgate::fuzz::poll_memory`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| hookgate::fuzz::poll_memory(data));
