//! The suite that all drivers share, for this one.

#[path = "../../lobos-drive/tests/support/mod.rs"]
mod support;

support::whole_suite!(lobos_smol::serve);
