//! The sessions of lobos-drive in a world that the fuzzer decides: connections, clients, short
//! reads and writes, errors of sinks and sources, closes, deadlines, helper threads and the end of
//! the server. It is the simulation of lobos-drive (`tests/sim`), with all that it checks, and only
//! its chance is another: see `src/tape.rs`. With LOBOS_TRACE set it tells what happened.
#![no_main]

#[path = "../../crates/lobos-drive/tests/sim/check.rs"]
mod check;
#[path = "../../crates/lobos-drive/tests/sim/client.rs"]
mod client;
#[path = "../../crates/lobos-drive/tests/sim/driver.rs"]
mod driver;
#[path = "../../crates/lobos-drive/tests/sim/framing.rs"]
mod framing;
#[path = "../../crates/lobos-drive/tests/sim/network.rs"]
mod network;
#[path = "../../crates/lobos-drive/tests/sim/request.rs"]
mod request;
#[path = "../../crates/lobos-drive/tests/sim/response.rs"]
mod response;
#[path = "../src/tape.rs"]
mod rng;
#[path = "../../crates/lobos-drive/tests/sim/store.rs"]
mod store;
#[path = "../../crates/lobos-drive/tests/sim/timeline.rs"]
mod timeline;
#[path = "../../crates/lobos-drive/tests/sim/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let seed = rng::load(data);
    if std::env::var_os("LOBOS_TRACE").is_none() {
        return world::World::new(seed, false).run();
    }
    // The trace comes after the failure, which would end the process.
    std::panic::set_hook(Box::new(|failure| eprintln!("{failure}")));
    let mut world = world::World::new(seed, true);
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run()));
    println!("{}", world.line.trace());
    assert!(ran.is_ok());
});
