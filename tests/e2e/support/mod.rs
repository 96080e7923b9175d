//! What every end-to-end test needs: the real binary on a folder of its own, one macro that runs
//! a test on each runtime, and a client that sends any bytes at all.

#![allow(dead_code, reason = "each test file is a crate of its own and uses a part of this")]

pub(crate) mod certificate;
pub(crate) mod chunked;
pub(crate) mod crash;
#[path = "../../../crates/lobos-proto/tests/support/dice.rs"]
pub(crate) mod dice;
pub(crate) mod http;
pub(crate) mod pages;
pub(crate) mod sanitizer;
pub(crate) mod second;
pub(crate) mod server;
pub(crate) mod sign;
pub(crate) mod strace;
pub(crate) mod tree;
pub(crate) mod well_formed;
pub(crate) mod xml;

/// Makes the tests `NAME::mio`, `NAME::tokio` and `NAME::smol` of each named function. It takes a
/// `&Server` on the empty bucket `bench`; after `with SETUP;` it takes what `SETUP(runtime)` gives.
macro_rules! on_every_runtime {
    (with $setup:expr; $($name:ident),* $(,)?) => {
        $(
            mod $name {
                #[allow(unused_imports, reason = "the setup may name something")]
                use super::*;

                #[test]
                fn mio() {
                    super::$name(&($setup)($crate::support::server::Runtime("mio")));
                }

                #[test]
                fn tokio() {
                    super::$name(&($setup)($crate::support::server::Runtime("tokio")));
                }

                #[test]
                fn smol() {
                    super::$name(&($setup)($crate::support::server::Runtime("smol")));
                }
            }
        )*
    };
    ($($name:ident),* $(,)?) => {
        on_every_runtime!(with $crate::support::server::Server::start; $($name),*);
    };
}

/// As `on_every_runtime`, and against a store that has no files: `examples/memory.rs`.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        on_every_runtime![$($name),*];

        mod in_memory {
            $(
                #[test]
                fn $name() {
                    let server = $crate::support::server::Server::start;
                    super::$name(&server($crate::support::server::MEMORY));
                }
            )*
        }
    };
}
