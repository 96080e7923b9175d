//! What the targets of libFuzzer try: one file each, which says what must hold for any input.
//!
//! A target panics if something does not hold; everything else is of no interest to it.

pub mod auth;
pub mod body;
pub mod connection;
pub mod disk;
pub mod form;
pub mod head;
pub mod keys;
pub mod md5;
pub mod target;
pub mod values;
pub mod xml;

mod answer;
mod exchange;
mod input;
mod late;
mod sign;

#[path = "../../crates/lobos-proto/tests/support/mod.rs"]
mod support;

#[path = "../../crates/lobos-fs/tests/common/mod.rs"]
mod common;

#[path = "../../tests/e2e/support/well_formed.rs"]
mod well_formed;
