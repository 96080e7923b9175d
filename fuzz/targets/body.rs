//! See `src/body.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lobos_fuzz::body::run(data));
