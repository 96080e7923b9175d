//! What the tests of all drivers share: a store, a client, and the suite itself.

#![allow(dead_code, unused_imports, reason = "not every test file needs all of it")]
#![allow(unused_macros, reason = "not every test file needs all of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

pub(crate) mod client;
pub(crate) mod store;
pub(crate) mod suite;
pub(crate) mod tls;

/// Makes one test of each property of the suite for this driver, without and with TLS, and of each
/// that only TLS has.
macro_rules! whole_suite {
    ($serve:path) => {
        support::whole_suite! { plain, suite, $serve, false:
            round_trip ranges large_bodies pipelining byte_at_a_time many_connections
            together cold_bytes connection_limit heavy_limit refused_uploads panics heavy_jobs
            source_ends_early early_ends patience slow_clients stalled_reader stop_idle stop_during_upload
            stop_stalled_upload stop_twice
        }
        support::whole_suite! { secure, suite, $serve, true:
            round_trip ranges large_bodies pipelining byte_at_a_time many_connections
            together cold_bytes connection_limit heavy_limit refused_uploads panics heavy_jobs
            source_ends_early early_ends patience slow_clients stalled_reader stop_idle stop_during_upload
            stop_stalled_upload stop_twice
        }
        support::whole_suite! { tls, tls, $serve, true:
            handshake_in_pieces handshake_cut handshake_patience plain_http plain_port nonsense
            truncated_upload says_goodbye renewed
        }
    };
    ($mode:ident, $from:ident, $serve:path, $tls:literal: $($name:ident)*) => {
        mod $mode {
            $(
                #[test]
                fn $name() {
                    // The property stands at its function.
                    let serve = crate::support::suite::Serve { run: $serve, tls: $tls };
                    crate::support::$from::$name(serve);
                }
            )*
        }
    };
}
pub(crate) use whole_suite;
