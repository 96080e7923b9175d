//! The simulation: sessions on a virtual network and clock, with a disk that fails and clients
//! that vanish. One seed is one world, and the same world every time.
//!
//! `LOBOS_SEED=n` runs one seed and prints what happened; `LOBOS_SEEDS=n` runs so many.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[path = "sim/check.rs"]
mod check;
#[path = "sim/client.rs"]
mod client;
#[path = "sim/driver.rs"]
mod driver;
#[path = "sim/framing.rs"]
mod framing;
#[path = "sim/network.rs"]
mod network;
#[path = "sim/request.rs"]
mod request;
#[path = "sim/response.rs"]
mod response;
#[path = "sim/rng.rs"]
mod rng;
#[path = "sim/store.rs"]
mod store;
#[path = "sim/timeline.rs"]
mod timeline;
#[path = "sim/world.rs"]
mod world;

use world::World;

/// The seeds of one run follow this one.
const BASE: u64 = 1_000_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn seeds() {
    // In every world each client gets what the log of the store allows, and nothing is left open.
    if let Some(seed) = number("LOBOS_SEED") {
        let mut world = World::new(seed, true);
        let ran = catch_unwind(AssertUnwindSafe(|| world.run()));
        println!("{}", world.line.trace());
        assert!(ran.is_ok(), "seed {seed} fails");
        return;
    }
    let count = number("LOBOS_SEEDS").unwrap_or(2000);
    for seed in BASE..BASE + count {
        let ran = catch_unwind(|| World::new(seed, false).run());
        assert!(
            ran.is_ok(),
            "seed {seed} fails, after {} that did not: LOBOS_SEED={seed} cargo test -p lobos-drive \
             --test sim seeds -- --nocapture",
            seed - BASE
        );
    }
}

#[test]
fn same_again() {
    // The same seed is the same world, step for step.
    let trace = |seed| {
        let mut world = World::new(seed, false);
        world.run();
        world.line.hash
    };
    for seed in BASE..BASE + 20 {
        assert_eq!(trace(seed), trace(seed), "seed {seed}");
    }
    assert_ne!(trace(BASE), trace(BASE + 1));
}
