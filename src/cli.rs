//! The flags: one field each, with its help, its variable in the environment and its tests.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, OsStringValueParser, StringValueParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueEnum};
use lobos_fs::{Durability, EtagMode};
use lobos_proto::BucketName;

use crate::address::Place;
use crate::admin;
use crate::credentials::{self, Secret};
use crate::filter::{Amount, Directive};
use crate::generate::Generated;
use crate::log::Format;

const EXAMPLES: &str = "\
Examples:
  lobos --dir photos                    the folder photos is the bucket photos
  lobos -d photos -d raw=/mnt/camera    two buckets: photos and raw
  lobos --root /srv/s3                  each folder in /srv/s3 is a bucket
  lobos --temp --bucket test            a bucket that is gone when Lobos ends

Then, with any credentials, since none were set:
  aws --endpoint-url http://127.0.0.1:8080 s3 ls s3://photos
  curl http://127.0.0.1:8080/photos/cat.jpg

Each flag can also be set in the environment: --port is LOBOS_PORT, --read-only is
LOBOS_READ_ONLY=1. Those of flags that repeat (LOBOS_DIR, LOBOS_BUCKET, LOBOS_LISTEN, ...) take
several values with commas between them. A flag outranks its variable.";

/// The region of those who take every one.
pub(crate) const ANY: &str = "any";

/// Where it listens without a flag.
pub(crate) static LOOPBACK: Place = Place::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

const USAGE: &str = "\
lobos --dir DIR [OPTIONS]
       lobos --root DIR [OPTIONS]
       lobos --temp [OPTIONS]
       lobos healthcheck [URL]";

/// Makes any directory an S3 bucket.
#[derive(Clone, Debug, Parser)]
#[command(name = "lobos", version, after_help = EXAMPLES)]
#[command(override_usage = USAGE, args_conflicts_with_subcommands = true)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Flags {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Serve this folder as a bucket with its name, or as NAME; repeatable
    #[arg(short, long, help_heading = "Buckets", value_name = "[NAME=]DIR")]
    #[arg(value_parser = OsStringValueParser::new().try_map(BucketDir::parse))]
    pub(crate) dir: Vec<BucketDir>,

    /// Serve every folder in this one as a bucket; clients can make more
    #[arg(long, help_heading = "Buckets", value_name = "DIR", conflicts_with = "dir")]
    pub(crate) root: Option<PathBuf>,

    /// Serve a folder in $TMPDIR that is removed at the end
    #[arg(long, help_heading = "Buckets", conflicts_with_all = ["dir", "root"])]
    pub(crate) temp: bool,

    /// Make this bucket at the start, unless it is there; repeatable
    #[arg(long, help_heading = "Buckets", env = "LOBOS_BUCKET", hide_env = true)]
    #[arg(value_name = "NAME", value_parser = bucket, value_delimiter = ',')]
    pub(crate) bucket: Vec<BucketName>,

    /// Refuse every request that would change something
    #[arg(long, help_heading = "Buckets", env = "LOBOS_READ_ONLY", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) read_only: bool,

    /// Follow symbolic links that lead out of a bucket
    #[arg(long, help_heading = "Buckets", env = "LOBOS_FOLLOW_SYMLINKS", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) follow_symlinks: bool,

    /// Entity tags: the MD5 of what was put, or no hash
    #[arg(long, help_heading = "Buckets", env = "LOBOS_ETAG", hide_env = true)]
    #[arg(value_enum, default_value_t = Etag::Md5, hide_possible_values = true)]
    #[arg(value_name = "md5|fast")]
    pub(crate) etag: Etag,

    /// Stored objects survive Lobos, or also a power cut
    #[arg(long, help_heading = "Buckets", env = "LOBOS_DURABILITY", hide_env = true)]
    #[arg(value_enum, default_value_t = Survives::Cache, hide_possible_values = true)]
    #[arg(value_name = "cache|disk")]
    pub(crate) durability: Survives,

    /// Refuse smaller parts of an upload, but for the last
    #[arg(long, help_heading = "Buckets", env = "LOBOS_MIN_PART_SIZE", hide_env = true)]
    #[arg(value_name = "BYTES", value_parser = bytes, default_value = "5MiB")]
    pub(crate) min_part_size: u64,

    /// Drop uploads in parts that nobody goes on with
    #[arg(long, help_heading = "Buckets", env = "LOBOS_EXPIRE_UPLOADS", hide_env = true)]
    #[arg(value_name = "DAYS", value_parser = time, default_value = "7d")]
    pub(crate) expire_uploads: Duration,

    /// Remove the least recently used objects beyond this
    #[arg(long, help_heading = "Buckets", env = "LOBOS_CACHE_LIMIT", hide_env = true)]
    #[arg(value_name = "BYTES", value_parser = bytes, conflicts_with = "read_only")]
    pub(crate) cache_limit: Option<u64>,

    /// Listen on this port; 0 takes any free one [default: 8080]
    #[arg(short, long, help_heading = "Network", env = "LOBOS_PORT", hide_env = true)]
    pub(crate) port: Option<u16>,

    /// Listen here; others need keys or --no-auth [default: 127.0.0.1]
    #[arg(long, help_heading = "Network", env = "LOBOS_LISTEN", hide_env = true)]
    #[arg(value_name = "ADDR|unix:PATH", value_parser = Place::parse, value_delimiter = ',')]
    pub(crate) listen: Vec<Place>,

    /// Say when it is ready, for people or for programs
    #[arg(long, help_heading = "Network", env = "LOBOS_READY", hide_env = true)]
    #[arg(value_enum, default_value_t = Ready::Text, hide_possible_values = true)]
    #[arg(value_name = "text|json")]
    pub(crate) ready: Ready,

    /// Answer to this name, too, and to BUCKET.NAME; * is any; repeatable
    #[arg(long, help_heading = "Network", env = "LOBOS_HOST", hide_env = true)]
    #[arg(value_name = "NAME", value_parser = host, value_delimiter = ',')]
    pub(crate) host: Vec<String>,

    /// Let web pages of this origin send requests; * is any; repeatable
    #[arg(long, help_heading = "Network", env = "LOBOS_CORS_ORIGIN", hide_env = true)]
    #[arg(value_name = "ORIGIN", value_parser = origin, value_delimiter = ',')]
    pub(crate) cors_origin: Vec<String>,

    /// Give browsers what other clients get, and not the page for people
    #[arg(long, help_heading = "Network", env = "LOBOS_NO_PAGE", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) no_page: bool,

    /// Speak HTTPS with this certificate and chain; SIGHUP reads it again
    #[arg(long, help_heading = "Network", env = "LOBOS_TLS_CERT", hide_env = true)]
    #[arg(value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Its key: PEM (PKCS#8, PKCS#1 or SEC1) without a password
    #[arg(long, help_heading = "Network", env = "LOBOS_TLS_KEY", hide_env = true)]
    #[arg(value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Answer 503 to more connections [default: half the limit of files]
    #[arg(long, help_heading = "Network", env = "LOBOS_MAX_CONNECTIONS", hide_env = true)]
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: Option<u32>,

    /// Take only requests that are signed with this key and --secret-key
    #[arg(long, help_heading = "Access", env = "LOBOS_ACCESS_KEY", hide_env = true)]
    #[arg(value_name = "KEY")]
    pub(crate) access_key: Option<String>,

    /// Its secret; better in LOBOS_SECRET_KEY, which nobody else sees
    #[arg(long, help_heading = "Access", env = "LOBOS_SECRET_KEY", hide_env = true)]
    #[arg(value_name = "SECRET", value_parser = StringValueParser::new().map(Secret::from))]
    pub(crate) secret_key: Option<Secret>,

    /// More keys, from a file with lines ACCESS:SECRET (or with :ro, to read)
    #[arg(long, help_heading = "Access", env = "LOBOS_CREDENTIALS", hide_env = true)]
    #[arg(value_name = "FILE")]
    pub(crate) credentials: Option<PathBuf>,

    /// The region that signatures must name, or any [default: us-east-1]
    #[arg(long, help_heading = "Access", env = "LOBOS_REGION", hide_env = true)]
    #[arg(value_name = "NAME|any", value_parser = region)]
    pub(crate) region: Option<String>,

    /// Let everyone who can reach the address read and write
    #[arg(long, help_heading = "Access")]
    pub(crate) no_auth: bool,

    /// Run on this runtime
    #[arg(long, help_heading = "Threads", env = "LOBOS_RUNTIME", hide_env = true)]
    #[arg(value_enum, default_value_t = Runtime::Mio, hide_possible_values = true)]
    #[arg(value_name = "mio|tokio|smol")]
    pub(crate) runtime: Runtime,

    /// Run this many event loops [default: one for each core]
    #[arg(short, long, help_heading = "Threads", env = "LOBOS_THREADS", hide_env = true)]
    #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Keep each event loop on a core of its own
    #[arg(short = 'c', long, help_heading = "Threads", env = "LOBOS_PIN_THREADS_TO_CPUS")]
    #[arg(hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) pin_threads_to_cpus: bool,

    /// Log no requests, those that failed, or all
    #[arg(long, help_heading = "Log", env = "LOBOS_LOG", hide_env = true)]
    #[arg(value_enum, default_value_t = Amount::Errors, hide_possible_values = true)]
    #[arg(value_name = "off|errors|access")]
    pub(crate) log: Amount,

    /// Log lines for people or for programs
    #[arg(long, help_heading = "Log", env = "LOBOS_LOG_FORMAT", hide_env = true)]
    #[arg(value_enum, default_value_t = Format::Plain, hide_possible_values = true)]
    #[arg(value_name = "plain|json")]
    pub(crate) log_format: Format,

    /// Log more or less of some: HeadObject=off,Put*=access; repeatable
    #[arg(long, help_heading = "Log", env = "LOBOS_LOG_FILTER", hide_env = true)]
    #[arg(value_name = "TARGET=AMOUNT", value_parser = Directive::parse, value_delimiter = ',')]
    pub(crate) log_filter: Vec<Directive>,

    /// Serve /metrics, /health and /ready here [default port: 8081]
    #[arg(long, help_heading = "Log", env = "LOBOS_ADMIN_LISTEN", hide_env = true)]
    #[arg(value_name = "ADDR[:PORT]", value_parser = admin::address)]
    pub(crate) admin_listen: Option<SocketAddr>,

    /// Memory for the names of folders between listings
    #[arg(long, help_heading = "Listing", env = "LOBOS_LIST_CACHE_MIB", hide_env = true)]
    #[arg(value_name = "MIB", default_value_t = 256)]
    pub(crate) list_cache_mib: u32,

    /// Keep all names in memory; always true, thanks to inotify
    #[arg(short, long, help_heading = "Listing", env = "LOBOS_ENABLE_LOBOS_INDEX")]
    #[arg(hide_env = true, value_parser = FalseyValueParser::new())]
    pub(crate) enable_lobos_index: bool,

    /// Read them again every N seconds, for changes by other hosts
    #[arg(short = 'r', long, help_heading = "Listing", env = "LOBOS_LOBOS_INDEX_REFRESH_SEC")]
    #[arg(hide_env = true, value_name = "N")]
    pub(crate) lobos_index_refresh_sec: Option<u64>,

    /// Print man, complete-bash, complete-zsh or complete-fish, and end
    #[arg(long, value_name = "WHAT", hide_possible_values = true)]
    pub(crate) generate: Option<Generated>,

    /// The variables of MinIO that the keys came from.
    #[arg(skip)]
    pub(crate) minio_keys: Option<[&'static str; 2]>,
}

/// What is done instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask whether a server answers: exit code 0 if so, else 1 and one line
    Healthcheck {
        /// http://HOST:PORT, https://... or unix:PATH [default: what LOBOS_* variables say]
        url: Option<String>,
    },
}

impl Flags {
    /// What no single flag can say.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.dir.is_empty() && self.root.is_none() && !self.temp {
            let more = if self.bucket.is_empty() { "" } else { ", or lobos --temp" };
            return Err(format!("no folder to serve; for example: lobos --dir photos{more}"));
        }
        if !self.bucket.is_empty() && !self.dir.is_empty() {
            return Err("--bucket makes buckets under --root or --temp, and not with --dir".into());
        }
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return Err("--tls-cert and --tls-key go together".into());
        }
        if self.cache_limit == Some(0) {
            return Err("--cache-limit 0 would keep nothing".into());
        }
        let keys = credentials::wanted(self);
        if keys && self.no_auth {
            return Err("--no-auth and access keys exclude each other".into());
        }
        let open = self.listen().iter().find(|place| !place.is_local());
        if let Some(place) = open
            && !self.no_auth
            && !keys
        {
            return Err(format!(
                "on {place} everyone in the network could read and change these folders; set \
                 LOBOS_ACCESS_KEY and LOBOS_SECRET_KEY, or add --no-auth if that is meant"
            ));
        }
        Ok(())
    }

    /// What URLs of the server begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls_cert.is_some() { "https" } else { "http" }
    }

    /// Whether an index is kept.
    pub(crate) fn has_index(&self) -> bool {
        self.enable_lobos_index || self.refresh().is_some()
    }

    /// After how many seconds it is read again.
    pub(crate) fn refresh(&self) -> Option<u64> {
        self.lobos_index_refresh_sec.filter(|secs| *secs > 0)
    }

    /// Where it listens.
    pub(crate) fn listen(&self) -> &[Place] {
        if self.listen.is_empty() { std::slice::from_ref(&LOOPBACK) } else { &self.listen }
    }

    /// The region, or [`ANY`].
    pub(crate) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or("us-east-1")
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(8080)
    }

    /// How many event loops.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.map_or_else(cores, usize::from)
    }
}

/// A value of `--dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BucketDir {
    /// The name before the `=`.
    pub(crate) name: Option<String>,
    /// The folder as it was given.
    pub(crate) dir: PathBuf,
}

impl BucketDir {
    /// Reads `DIR` or `NAME=DIR`. A folder with a `=` in its name is `./a=b`.
    pub(crate) fn parse(value: OsString) -> Result<Self, String> {
        let Some((name, dir)) = value.to_str().and_then(|v| v.split_once('=')) else {
            return Ok(Self { name: None, dir: value.into() });
        };
        if name.contains('/') {
            return Ok(Self { name: None, dir: value.into() });
        }
        if BucketName::new(name).is_err() {
            return Err(format!("'{name}' before the '=' is no name of a bucket"));
        }
        if dir.is_empty() {
            return Err("no folder after the '='".into());
        }
        Ok(Self { name: Some(name.to_owned()), dir: dir.into() })
    }
}

/// The value of `--ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ready {
    Text,
    Json,
}

/// Which crate drives the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Runtime {
    Mio,
    Tokio,
    Smol,
}

/// The value of `--etag`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Etag {
    Md5,
    Fast,
}

impl From<Etag> for EtagMode {
    fn from(etag: Etag) -> Self {
        match etag {
            Etag::Md5 => Self::Md5,
            Etag::Fast => Self::Fast,
        }
    }
}

/// The value of `--durability`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Survives {
    Cache,
    Disk,
}

impl From<Survives> for Durability {
    fn from(survives: Survives) -> Self {
        match survives {
            Survives::Cache => Self::Cache,
            Survives::Disk => Self::Disk,
        }
    }
}

/// The name of a bucket to be made.
fn bucket(value: &str) -> Result<BucketName, String> {
    let name = BucketName::new(value).ok().filter(BucketName::is_valid_for_new);
    name.ok_or_else(|| {
        "S3 wants 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit first \
         and last"
            .into()
    })
}

/// The name of a region as it stands in signatures.
pub(crate) fn region(value: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if !value.is_empty() && value.bytes().all(legal) {
        return Ok(value.to_owned());
    }
    Err("a name such as us-east-1 is needed, or any".into())
}

/// A number, and perhaps what it counts: `5MiB`, `5M` and `5242880` are the same.
fn bytes(value: &str) -> Result<u64, String> {
    let units = [("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1_u64 << 40)];
    let (number, unit) = number(value)?;
    let is = |name: &str| {
        let rest = unit.strip_prefix(name);
        rest.is_some_and(|rest| matches!(rest, "" | "b") || (rest == "ib" && !name.is_empty()))
    };
    let found = units.into_iter().find(|(name, _)| is(name));
    let bytes = found.and_then(|(_, size)| number.checked_mul(size));
    bytes.ok_or_else(|| "a size such as 5MiB or 65536 is needed".into())
}

/// A number of days, or of what stands behind it.
fn time(value: &str) -> Result<Duration, String> {
    let units = [("", 86_400), ("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let (number, unit) = number(value)?;
    let found = units.into_iter().find(|(name, _)| *name == unit);
    let secs = found.and_then(|(_, secs)| number.checked_mul(secs)).filter(|secs| *secs > 0);
    secs.map(Duration::from_secs).ok_or_else(|| "days, or a time such as 12h, are needed".into())
}

/// The digits that a value begins with, and the rest in lower case.
fn number(value: &str) -> Result<(u64, String), String> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    let number = digits.parse().map_err(|_| "not a number".to_owned())?;
    Ok((number, unit.trim().to_ascii_lowercase()))
}

/// A name as it stands in a Host header, without the port.
pub(crate) fn host(value: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    if value == "*" || (!value.is_empty() && value.bytes().all(legal)) {
        return Ok(value.to_ascii_lowercase());
    }
    Err("a host name without scheme, port and path is needed".into())
}

/// An origin as browsers send it: scheme, host and port, no path.
fn origin(value: &str) -> Result<String, String> {
    let origin = value.strip_suffix('/').unwrap_or(value);
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    if value == "*" || (!host.is_empty() && !host.contains('/')) {
        return Ok(origin.to_ascii_lowercase());
    }
    Err("an origin such as https://example.org is needed".into())
}

#[cfg(test)]
mod tests;
