//! The command: reads the flags, opens the store, listens, and hands both to a runtime.

mod buckets;
mod cli;
mod credentials;
mod generate;
mod progress;
mod report;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use lobos_drive::{Certificate, Listener, Server, raise_file_limit};
use lobos_fs::{Durability, FsStore, Options};
use lobos_proto::{Config, Credentials, Hosts, Page};

use cli::{Flags, Runtime};

/// The allocator of musl has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    if let Some(wanted) = flags.generate {
        return generate::print(wanted);
    }
    flags.check()?;
    let layout = buckets::layout(&flags)?;
    let config = config(&flags)?;
    let certificate = certificate(&flags)?;
    let connections = max_connections(flags.max_connections, raise_file_limit())?;
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
    server.max_connections = connections;
    server.certificate = certificate;
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
    let credentials = credentials::all(flags)?;
    Ok(Config {
        hosts: Hosts { names: flags.host.clone() },
        origins: flags.cors_origin.clone(),
        region: Some(flags.region.clone()).filter(|name| name != "any"),
        read_only: flags.read_only,
        page: (!flags.no_page).then(|| page(flags, &credentials)),
        credentials,
        secure: flags.tls_cert.is_some(),
        connections: AtomicU64::new(since.as_secs() << 24 | u64::from(since.subsec_micros())),
        ..Config::default()
    })
}

fn page(flags: &Flags, credentials: &[Credentials]) -> Page {
    let lobos_page::Page { document, policy } = lobos_page::page(&lobos_page::Setting {
        read_only: flags.read_only,
        keys: !credentials.is_empty(),
        root: flags.root.is_some(),
        region: if flags.region == "any" { "us-east-1".into() } else { flags.region.clone() },
    });
    Page { document, policy }
}

/// Reads the certificate, if there shall be one, and again at each SIGHUP.
fn certificate(flags: &Flags) -> Result<Option<Certificate>, String> {
    let (Some(chain), Some(key)) = (&flags.tls_cert, &flags.tls_key) else { return Ok(None) };
    let certificate = Certificate::read(chain.clone(), key.clone())?;
    let reloaded = |result| match result {
        Ok(()) => report::say("the certificate was read again"),
        Err(why) => report::say(&format!("the old certificate stays: {why}")),
    };
    let watched = certificate.reload_on_hangup(reloaded);
    watched.map_err(|e| format!("cannot wait for signals: {e}"))?;
    Ok(Some(certificate))
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

/// Descriptors for everything but connections.
const OTHER_FILES: u64 = 64;

/// A connection needs a socket and, while it sends or stores, a file; one that is refused, of which
/// there may be an eighth, only a socket. Whoever asks for more takes it upon himself, as long as
/// the sockets alone fit.
fn max_connections(wanted: Option<u32>, files: u64) -> Result<usize, String> {
    let left = files.saturating_sub(OTHER_FILES);
    let Some(wanted) = wanted else {
        let most = u128::from(left) * 8 / 17;
        return Ok(usize::try_from(most).unwrap_or(usize::MAX).max(16));
    };
    if u64::from(wanted) > left {
        return Err(format!(
            "--max-connections {wanted} needs {} open files, and this process may have {files} \
             (ulimit -n)",
            u64::from(wanted) + OTHER_FILES
        ));
    }
    Ok(usize::try_from(wanted).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_files() {
        // Every connection can have its file, a tiny limit still serves, and what cannot be is
        // refused.
        assert_eq!(max_connections(None, 1024), Ok(451));
        assert_eq!(max_connections(None, 10), Ok(16));
        assert!(max_connections(None, u64::MAX).is_ok_and(|most| most > 1_000_000));
        assert_eq!(max_connections(Some(960), 1024), Ok(960));
        let error = max_connections(Some(961), 1024).unwrap_err();
        assert!(error.contains("needs 1025 open files") && error.contains("1024"), "{error}");
    }
}
