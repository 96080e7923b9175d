//! What the command says: its options and its address on stdout, all else in the log.

use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::net::SocketAddr;

use clap::ValueEnum;
use lobos_fs::Layout;

use crate::cli::Flags;
use crate::credentials;
use crate::line::Level;
use crate::log;

/// One line of the log.
pub(crate) fn say(line: &str) {
    log::say(Level::Info, line);
}

/// The options, then the line with the URL. Nobody may be reading: that is no error.
pub(crate) fn started(
    flags: &Flags,
    layout: &Layout,
    addresses: &[SocketAddr],
    admin: Option<SocketAddr>,
) {
    let mut out = stdout().lock();
    let _ = out.write_all(text(flags, layout, addresses, admin).as_bytes());
    let _ = out.flush();
}

fn text(
    flags: &Flags,
    layout: &Layout,
    addresses: &[SocketAddr],
    admin: Option<SocketAddr>,
) -> String {
    let mut text = format!("lobos {}\n", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, value: &str| {
        // A String takes all that is written to it.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    match layout {
        Layout::Root(path) => row("root", &path.display().to_string()),
        Layout::Dirs(dirs) => {
            for (name, path) in dirs {
                row("bucket", &format!("{name} = {}", path.display()));
            }
        }
    }
    let count = flags.threads();
    let threads = if count == 1 { "1 thread".into() } else { format!("{count} threads") };
    let pinned = if flags.pin_threads_to_cpus { ", pinned" } else { "" };
    row("runtime", &format!("{}, {threads}{pinned}", name_of(flags.runtime)));
    row("etag", &name_of(flags.etag));
    row("durability", &name_of(flags.durability));
    row("access", access(flags));
    if credentials::wanted(flags) {
        row("region", &flags.region);
    }
    if flags.follow_symlinks {
        row("symlinks", "followed out of the buckets");
    }
    if !flags.host.is_empty() {
        row("hosts", &flags.host.join(", "));
    }
    if !flags.cors_origin.is_empty() {
        row("origins", &flags.cors_origin.join(", "));
    }
    match flags.refresh() {
        Some(secs) => row("index", &format!("in memory, read again every {secs} s")),
        None if flags.has_index() => row("index", "in memory"),
        None => {}
    }
    if let Some(admin) = admin {
        row("metrics", &format!("http://{admin}/metrics"));
    }
    for address in addresses {
        let _ = writeln!(text, "listening on {}://{address}", flags.scheme());
    }
    text
}

fn access(flags: &Flags) -> &'static str {
    if credentials::wanted(flags) {
        return if flags.read_only {
            "whoever has a key reads"
        } else {
            "whoever has a key reads and writes"
        };
    }
    let local = flags.listen.to_canonical().is_loopback();
    match (local, flags.read_only) {
        (true, false) => "this machine reads and writes, with any credentials",
        (true, true) => "this machine reads, with any credentials",
        (false, false) => "everyone who reaches the address reads and writes",
        (false, true) => "everyone who reaches the address reads",
    }
}

/// The word that chooses this value.
fn name_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn said(args: &[&str]) -> String {
        let flags = Flags::parse_from([&["lobos", "--dir", "photos"], args].concat());
        let layout = Layout::Dirs(vec![("photos".into(), "/home/x/photos".into())]);
        text(&flags, &layout, &[SocketAddr::new(flags.listen, 8080)], flags.admin_listen)
    }

    #[test]
    fn ends_with_the_url() {
        // The last line is the URL and nothing else, whatever the options are.
        for args in [&["-e", "-r", "9", "--host", "a"][..], &[], &["--read-only", "-c"]] {
            let text = said(args);
            assert_eq!(text.lines().last(), Some("listening on http://127.0.0.1:8080"));
            assert!(text.ends_with('\n'));
        }
        let secure = said(&["--tls-cert", "c", "--tls-key", "k"]);
        assert!(secure.ends_with("\nlistening on https://127.0.0.1:8080\n"), "{secure}");
        assert!(said(&["--listen", "::1"]).ends_with("http://[::1]:8080\n"));
    }

    #[test]
    fn says_every_option() {
        // Buckets and choices are all there, and an index only if there is one.
        let args = ["-t", "1", "--runtime", "smol", "--etag", "fast", "--durability", "disk", "-e"];
        let text = said(&args);
        for part in ["photos = /home/x/photos", "smol, 1 thread\n", "fast", "disk", "in memory\n"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!said(&["-r", "0"]).contains("index"));
        assert!(said(&["-r", "5"]).contains("in memory, read again every 5 s\n"));
    }

    #[test]
    fn says_who_may() {
        // With keys it says so, and the region that they are for, but never a secret.
        let keys = ["--access-key", "A", "--secret-key", "hidden", "--region", "eu-west-1"];
        let text = said(&keys);
        assert!(text.contains("whoever has a key reads and writes\n"), "{text}");
        assert!(text.contains("eu-west-1") && !text.contains("hidden"), "{text}");
        assert!(said(&["--listen", "::", "--no-auth"]).contains("everyone who reaches"));
    }
}
