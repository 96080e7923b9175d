//! The command: reads the flags, opens the store, listens, and hands both to a runtime.

mod address;
mod admin;
mod buckets;
mod cli;
mod credentials;
mod environment;
mod filter;
mod generate;
mod healthcheck;
mod hint;
mod json;
mod line;
mod log;
mod metrics;
mod minio;
mod notify;
mod process;
mod progress;
mod report;
mod see;
mod unverified;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lobos_drive::{Certificate, Server, Stop, raise_file_limit};
use lobos_fs::{Durability, FsStore, Layout, Options};
use lobos_proto::{Config, Credentials, Hosts, Page};

use cli::{Command, Flags, Runtime};
use line::Level;
use lobos::Temporary;
use see::Sight;

/// The allocator of musl has one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of every error before the server runs; clap has the same for wrong flags.
const FAILED: u8 = 2;

/// That of a server that is not well.
const UNHEALTHY: u8 = 1;

/// How many requests wait for the disk at once with `--durability disk`.
const SYNCS: usize = 256;

fn main() -> ExitCode {
    let flags = hint::parse();
    let (result, code) = match flags.command.clone() {
        Some(Command::Healthcheck { url }) => (ask(url.as_deref(), flags), UNHEALTHY),
        None => (serve(flags), FAILED),
    };
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            log::say(Level::Error, &line);
            ExitCode::from(code)
        }
    };
    log::finish();
    code
}

/// Asks a server whether it is well; an error is one line.
fn ask(url: Option<&str>, flags: Flags) -> Result<(), String> {
    healthcheck::run(url, &flags.with_address(|name| std::env::var_os(name))?)
}

/// Serves until a signal; an error is one line.
fn serve(flags: Flags) -> Result<(), String> {
    if let Some(wanted) = flags.generate {
        return generate::print(wanted);
    }
    let flags = flags.with_environment(|name| std::env::var_os(name))?;
    flags.check()?;
    // A signal must find somebody who removes a temporary root.
    let stop = Stop::new();
    stop.on_signals().map_err(|e| format!("cannot wait for signals: {e}"))?;
    let temporary = flags.temp.then(|| Temporary::within(&std::env::temp_dir())).transpose()?;
    let layout = match &temporary {
        Some(temporary) => Layout::Root(temporary.path().to_owned()),
        None => buckets::layout(&flags)?,
    };
    if let Layout::Root(path) = &layout
        && minio::has_written(path)
    {
        report::say(&format!(
            "MinIO keeps its objects in {} in a way of its own; copy them from a MinIO that runs",
            path.display()
        ));
    }
    run(&flags, layout, stop)
}

fn run(flags: &Flags, layout: Layout, stop: Stop) -> Result<(), String> {
    let config = config(flags)?;
    let sight = Sight::open(flags)?;
    let certificate = certificate(flags)?;
    let connections = max_connections(flags.max_connections, raise_file_limit())?;
    let store = FsStore::open(layout.clone(), options(flags)).map_err(|e| e.to_string())?;
    if !flags.read_only {
        store.sweep();
        store.locked().iter().for_each(|path| report::say(&buckets::locked(path)));
    }
    buckets::make(flags, &store)?;
    let index = store.index_progress();
    let listener = address::listen(flags)?;
    let text = report::started(flags, (&layout, &store), (&listener, sight.address()));

    let store = Arc::new(store);
    let mut server = Server::new(listener, Arc::new(config), store.clone());
    server.threads = flags.threads();
    server.pin = flags.pin_threads_to_cpus;
    server.helpers = helpers(flags);
    server.max_connections = connections;
    server.certificate = certificate;
    server.stop = stop;

    sight.watch(&mut server, &store)?;
    report::print(&text);
    notify::ready(&server.stop);
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
        cache_limit: flags.cache_limit,
    }
}

fn config(flags: &Flags) -> Result<Config, String> {
    // Only so that request ids of two runs differ.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let credentials = credentials::all(flags)?;
    Ok(Config {
        hosts: Hosts { names: flags.host.clone() },
        origins: flags.cors_origin.clone(),
        region: Some(flags.region().to_owned()).filter(|name| name != cli::ANY),
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
        root: flags.root.is_some() || flags.temp,
        region: if flags.region() == cli::ANY { "us-east-1" } else { flags.region() }.into(),
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
