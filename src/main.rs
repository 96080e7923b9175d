//! The command: reads the flags, opens the store, listens, and hands both to a runtime.

mod buckets;
mod cli;
mod credentials;
mod progress;
mod report;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use lobos_drive::{Listener, Server, raise_file_limit};
use lobos_fs::{Durability, FsStore, Options};
use lobos_proto::{Config, Hosts};

use cli::{Flags, Runtime};

/// The exit code of every error before the server runs; clap has the same for wrong flags.
const FAILED: u8 = 2;

/// How many requests wait for the disk at once with `--durability disk`.
const SYNCS: usize = 256;

fn main() -> ExitCode {
    match Flags::parse().with_environment(|name| std::env::var_os(name)).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            report::say(&line);
            ExitCode::from(FAILED)
        }
    }
}

/// Serves until a signal; an error is one line.
fn run(flags: Flags) -> Result<(), String> {
    flags.check()?;
    let layout = buckets::layout(&flags)?;
    let config = config(&flags)?;
    let store = FsStore::open(layout.clone(), options(&flags)).map_err(|e| e.to_string())?;
    if !flags.read_only {
        store.sweep();
    }
    let index = store.index_progress();
    let listener = listen(&flags)?;
    let addresses = listener.addresses().to_vec();

    let mut server = Server::new(listener, Arc::new(config), Arc::new(store));
    server.threads = flags.threads();
    server.pin = flags.pin_threads_to_cpus;
    server.helpers = helpers(&flags);
    server.max_connections = max_connections(raise_file_limit());
    server.stop.on_signals().map_err(|e| format!("cannot wait for signals: {e}"))?;

    report::started(&flags, &layout, &addresses);
    if let Some(index) = index {
        progress::show(index).map_err(|e| format!("cannot start a thread: {e}"))?;
    }
    let ended = match flags.runtime {
        Runtime::Mio => lobos_mio::serve(server),
        Runtime::Tokio => lobos_tokio::serve(server),
        Runtime::Smol => lobos_smol::serve(server),
    };
    ended.map_err(|e| format!("the server has stopped: {e}"))
}

/// The kernel writes once for all who wait for the same disk, so the more wait together the better.
fn helpers(flags: &Flags) -> usize {
    let waits = Durability::from(flags.durability) == Durability::Disk;
    if waits { SYNCS } else { 0 }
}

fn options(flags: &Flags) -> Options {
    Options {
        etag: flags.etag.into(),
        durability: flags.durability.into(),
        follow_symlinks: flags.follow_symlinks,
        min_part_size: flags.min_part_size,
        expire_uploads: flags.expire_uploads,
        list_cache: usize::try_from(flags.list_cache_mib).unwrap_or(usize::MAX) << 20,
        index: flags.has_index(),
        refresh: flags.refresh().map(Duration::from_secs),
    }
}

fn config(flags: &Flags) -> Result<Config, String> {
    // Only so that request ids of two runs differ.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Config {
        hosts: Hosts { names: flags.host.clone() },
        origins: flags.cors_origin.clone(),
        credentials: credentials::all(flags)?,
        region: Some(flags.region.clone()).filter(|name| name != "any"),
        read_only: flags.read_only,
        connections: AtomicU64::new(since.as_secs() << 24 | u64::from(since.subsec_micros())),
        ..Config::default()
    })
}

fn listen(flags: &Flags) -> Result<Listener, String> {
    let address = SocketAddr::new(flags.listen, flags.port());
    Listener::bind(&[address]).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => in_use(flags),
        ErrorKind::PermissionDenied => {
            let port = address.port();
            format!("port {port} needs more rights: choose one from 1024 up with --port")
        }
        ErrorKind::AddrNotAvailable => {
            format!("{} is no address of this machine", flags.listen)
        }
        _ => format!("cannot listen on {address}: {error}"),
    })
}

/// Whoever chose the port knows how; whoever did not is told.
fn in_use(flags: &Flags) -> String {
    let port = flags.port();
    match flags.port {
        Some(_) => format!("port {port} is in use"),
        None => format!("port {port} is in use; choose another, or any free one: --port 0"),
    }
}

/// A connection needs a socket and, while it sends or stores, a file; some are for the rest.
fn max_connections(files: u64) -> usize {
    usize::try_from(files.saturating_sub(64) / 2).unwrap_or(usize::MAX).max(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_files() {
        // Every connection can have its file, and a tiny limit still serves.
        assert_eq!(max_connections(1024), 480);
        assert_eq!(max_connections(10), 16);
        assert!(max_connections(u64::MAX) > 1_000_000);
    }
}
