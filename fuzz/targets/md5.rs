//! See `src/md5.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lobos_fuzz::md5::run(data));
