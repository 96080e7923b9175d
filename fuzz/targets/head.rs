//! See `src/head.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lobos_fuzz::head::run(data));
