//! What the command says: its options and its address on stdout, all else in the log.

use std::fmt::Write as _;
use std::io::{Write, stdout};
use std::net::SocketAddr;

use clap::ValueEnum;
use lobos_drive::Listener;
use lobos_fs::{FsStore, Layout};
use lobos_proto::op::ListBuckets;
use lobos_proto::{Outcome, Request, Response, Store as _};

use crate::address::{Place, UNIX};
use crate::cli::{Flags, Ready};
use crate::credentials;
use crate::json::Object;
use crate::line::Level;
use crate::log;

/// One line of the log.
pub(crate) fn say(line: &str) {
    log::say(Level::Info, line);
}

/// Where clients connect.
struct Reached {
    /// `http://...` or `https://...`
    urls: Vec<String>,
    port: Option<u16>,
    /// Sockets of the file system.
    paths: Vec<String>,
    /// Of `--admin-listen`.
    admin: Option<SocketAddr>,
}

impl Reached {
    fn new(flags: &Flags, listener: &Listener, admin: Option<SocketAddr>) -> Self {
        let addresses = listener.addresses();
        let scheme = flags.scheme();
        Self {
            urls: addresses.iter().map(|address| format!("{scheme}://{address}")).collect(),
            port: addresses.first().map(SocketAddr::port),
            paths: listener.paths().map(|path| path.display().to_string()).collect(),
            admin,
        }
    }

    fn metrics(&self) -> Option<String> {
        self.admin.map(|admin| format!("http://{admin}/metrics"))
    }

    /// The addresses first.
    fn all(&self) -> Vec<String> {
        let paths = self.paths.iter().map(|path| format!("{UNIX}{path}"));
        self.urls.iter().cloned().chain(paths).collect()
    }
}

/// What is to be printed when the server is ready.
pub(crate) fn started(
    flags: &Flags,
    (layout, store): (&Layout, &FsStore),
    (listener, admin): (&Listener, Option<SocketAddr>),
) -> String {
    let reached = Reached::new(flags, listener, admin);
    match flags.ready {
        Ready::Text => text(flags, layout, &reached),
        Ready::Json => json(layout, &names(store), &reached),
    }
}

/// Prints it. Nobody may be reading: that is no error.
pub(crate) fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn names(store: &FsStore) -> Vec<String> {
    match store.call(Request::ListBuckets(ListBuckets::default())) {
        Ok(Outcome::Done(Response::ListBuckets(list))) => {
            list.buckets.into_iter().map(|bucket| bucket.name).collect()
        }
        _ => Vec::new(),
    }
}

/// One line for programs that start a server.
fn json(layout: &Layout, buckets: &[String], reached: &Reached) -> String {
    let all = reached.all();
    let root = match layout {
        Layout::Root(path) => Some(path.display().to_string()),
        Layout::Dirs(_) => None,
    };
    let mut object = Object::new();
    object.literal("ready", "true");
    object.text("url", all.first().map(String::as_str));
    object.number("port", reached.port.map(u64::from));
    object.text("socket", reached.paths.first().map(String::as_str));
    object.number("pid", Some(u64::from(std::process::id())));
    object.texts("urls", &all);
    object.text("root", root.as_deref());
    object.texts("buckets", buckets);
    object.text("metrics", reached.metrics().as_deref());
    object.text("version", Some(env!("CARGO_PKG_VERSION")));
    object.line()
}

/// The options, then the lines with the URLs.
fn text(flags: &Flags, layout: &Layout, reached: &Reached) -> String {
    let mut text = format!("lobos {}\n", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, value: &str| {
        // A String takes all that is written to it.
        let _ = writeln!(text, "{name:<12}{value}");
    };
    match layout {
        Layout::Root(path) => {
            let end = if flags.temp { ", removed at the end" } else { "" };
            row("root", &format!("{}{end}", path.display()));
        }
        Layout::Dirs(dirs) => {
            for (name, path) in dirs {
                row("bucket", &format!("{name} = {}", path.display()));
            }
        }
    }
    if !flags.bucket.is_empty() {
        let names: Vec<_> = flags.bucket.iter().map(lobos_proto::BucketName::as_str).collect();
        row("buckets", &names.join(", "));
    }
    let count = flags.threads();
    let threads = if count == 1 { "1 thread".into() } else { format!("{count} threads") };
    let pinned = if flags.pin_threads_to_cpus { ", pinned" } else { "" };
    row("runtime", &format!("{}, {threads}{pinned}", name_of(flags.runtime)));
    row("etag", &name_of(flags.etag));
    row("durability", &name_of(flags.durability));
    row("access", access(flags));
    if credentials::wanted(flags) {
        row("region", flags.region());
    }
    if let Some([access, secret]) = flags.minio_keys {
        row("keys", &format!("of {access} and {secret}"));
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
    if let Some(admin) = reached.metrics() {
        row("metrics", &admin);
    }
    for url in reached.all() {
        let _ = writeln!(text, "listening on {url}");
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
    let local = flags.listen().iter().all(Place::is_local);
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
    use std::net::SocketAddr;

    use clap::Parser;

    use super::*;

    fn said(args: &[&str]) -> String {
        let flags = Flags::parse_from([&["lobos", "--dir", "photos"], args].concat());
        let layout = Layout::Dirs(vec![("photos".into(), "/home/x/photos".into())]);
        let address = match flags.listen().first() {
            Some(Place::Ip(ip)) => Some(SocketAddr::new(*ip, 8080)),
            _ => None,
        };
        let scheme = flags.scheme();
        let reached = Reached {
            urls: address.iter().map(|address| format!("{scheme}://{address}")).collect(),
            port: address.map(|address| address.port()),
            paths: if address.is_some() { Vec::new() } else { vec!["/run/\"x\"".into()] },
            admin: flags.admin_listen,
        };
        match flags.ready {
            Ready::Text => text(&flags, &layout, &reached),
            Ready::Json => json(&layout, &["photos".into()], &reached),
        }
    }

    #[test]
    fn json_is_one_line() {
        // A program gets the URL, the port or the path, and the buckets, in one line of JSON.
        let version = env!("CARGO_PKG_VERSION");
        let pid = std::process::id();
        let begin = r#"{"ready":true,"url":"http://127.0.0.1:8080","port":8080,"socket":null,"#;
        let rest = format!(
            r#""pid":{pid},"urls":["http://127.0.0.1:8080"],"root":null,"buckets":["photos"],"metrics":null,"#
        );
        let end = format!("\"version\":\"{version}\"}}\n");
        assert_eq!(said(&["--ready", "json"]), [begin, &rest, &end].concat());
        let unix = said(&["--ready", "json", "--listen", "unix:/run/x"]);
        let path = r#""url":"unix:/run/\"x\"","port":null,"socket":"/run/\"x\"","#;
        assert!(unix.contains(path), "{unix}");
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
