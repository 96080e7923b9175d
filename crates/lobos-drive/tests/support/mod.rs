//! What the tests of all drivers share: a store, a client, and the suite itself.

#![allow(dead_code, unused_imports, reason = "not every test file needs all of it")]
#![allow(unused_macros, reason = "not every test file needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod client;
pub(crate) mod store;
pub(crate) mod suite;

/// Makes one test of each property of the suite, for this driver.
macro_rules! whole_suite {
    ($serve:path) => {
        support::whole_suite! { $serve:
            round_trip ranges large_bodies pipelining byte_at_a_time many_connections
            together cold_bytes connection_limit refused_uploads panics heavy_jobs
            source_ends_early early_ends patience stop_idle stop_during_upload
            stop_stalled_upload stop_twice
        }
    };
    ($serve:path: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                // The property stands at its function in `suite.rs`.
                support::suite::$name($serve);
            }
        )*
    };
}
pub(crate) use whole_suite;
