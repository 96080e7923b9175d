//! Every flag: what it takes, what it refuses, and that its help and variable are there.

use clap::CommandFactory;

use super::*;

fn parse(args: &[&str]) -> Result<Flags, clap::Error> {
    Flags::try_parse_from([&["lobos"], args].concat())
}

/// With a folder, since nothing works without one.
fn with(args: &[&str]) -> Flags {
    parse(&[&["--dir", "photos"], args].concat()).unwrap()
}

fn refused(args: &[&str]) {
    let error = parse(&[&["--dir", "photos"], args].concat()).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{args:?}");
}

fn dir(value: &str) -> Result<(Option<String>, PathBuf), String> {
    BucketDir::parse(value.into()).map(|d| (d.name, d.dir))
}

#[test]
fn consistent() {
    // Every flag has a help text and the variable that the help promises; but nobody sets in the
    // environment what the command shall print instead of serving.
    Flags::command().debug_assert();
    for arg in Flags::command().get_arguments() {
        let name = arg.get_long().unwrap();
        assert!(arg.get_help().is_some_and(|help| !help.to_string().is_empty()), "{name}");
        // Those of the first are read elsewhere.
        if !["dir", "root", "temp", "no-auth", "generate"].contains(&name) {
            let variable = format!("LOBOS_{}", name.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(variable.as_str()));
        }
    }
}

#[test]
fn help_fits() {
    // The help of a plain terminal has no line over 100 columns and shows how to begin.
    let help = Flags::command().render_help().to_string();
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    assert!(help.contains("lobos --dir photos"));
}

#[test]
fn dirs() {
    // --dir repeats, and takes NAME=DIR, paths with `=` behind a slash, and any other path.
    let flags = parse(&["-d", "a", "--dir=b=c"]).unwrap();
    assert_eq!(flags.dir.len(), 2);
    assert_eq!(dir("photos"), Ok((None, "photos".into())));
    assert_eq!(dir("raw=/mnt/a=b"), Ok((Some("raw".into()), "/mnt/a=b".into())));
    assert_eq!(dir("./a=b"), Ok((None, "./a=b".into())));
    assert_eq!(dir("smith, j"), Ok((None, "smith, j".into())));
    assert!(dir("=photos").is_err());
    assert!(dir("..=photos").is_err());
    assert!(dir("raw=").is_err());
}

#[test]
fn root() {
    // --root goes without --dir, and nothing goes without either.
    assert_eq!(parse(&["--root", "x"]).unwrap().root, Some("x".into()));
    refused(&["--root", "x"]);
    let error = parse(&[]).unwrap().check().unwrap_err();
    assert!(error.contains("lobos --dir photos"), "{error}");
}

#[test]
fn temp() {
    // --temp goes without a folder, and makes buckets as --root does.
    let flags = parse(&["--temp", "--bucket", "one-a,two", "--bucket=three"]).unwrap();
    let names: Vec<_> = flags.bucket.iter().map(BucketName::as_str).collect();
    assert_eq!((names, flags.check()), (vec!["one-a", "two", "three"], Ok(())));
    refused(&["--temp"]);
    assert!(parse(&["--temp", "--root", "x"]).is_err());
    for bad in ["ab", "Photos", "a_b", "1.2.3.4", "-ab", ""] {
        refused(&["--bucket", bad]);
    }
    assert!(with(&["--bucket", "one"]).check().unwrap_err().contains("--root or --temp"));
    assert!(parse(&["--bucket", "one"]).unwrap().check().unwrap_err().contains("lobos --temp"));
}

#[test]
fn ready() {
    // --ready is text or json.
    assert_eq!(with(&[]).ready, Ready::Text);
    assert_eq!(with(&["--ready", "json"]).ready, Ready::Json);
    refused(&["--ready", "xml"]);
}

#[test]
fn healthcheck() {
    // It takes a URL or none, and no flag of the server.
    let url = |args: &[&str]| match parse(args).unwrap().command {
        Some(Command::Healthcheck { url }) => url,
        None => unreachable!("a server"),
    };
    assert_eq!(url(&["healthcheck"]), None);
    assert_eq!(url(&["healthcheck", "http://x"]), Some("http://x".into()));
    assert!(parse(&["--dir", "x", "healthcheck"]).is_err());
    assert!(parse(&["healthcheck", "a", "b"]).is_err());
}

#[test]
fn port() {
    // --port is 8080 unless given; 0 is allowed.
    assert_eq!(with(&[]).port(), 8080);
    assert_eq!(with(&["-p", "0"]).port(), 0);
    for bad in ["65536", "-1", "http", ""] {
        refused(&["--port", bad]);
    }
}

#[test]
fn listen() {
    // Loopback addresses need nothing, all others --no-auth.
    for loopback in ["127.0.0.1", "localhost", "::1", "[::1]", "127.9.9.9", "::1,unix:/x"] {
        assert_eq!(with(&["--listen", loopback]).check(), Ok(()), "{loopback}");
    }
    for open in ["0.0.0.0", "::", "192.168.1.2", "unix:/x,0.0.0.0"] {
        let error = with(&["--listen", open]).check().unwrap_err();
        assert!(error.contains("--no-auth"), "{error}");
        assert_eq!(with(&["--listen", open, "--no-auth"]).check(), Ok(()));
    }
    let keys = ["--access-key", "A", "--secret-key", "S"];
    assert_eq!(with(&[&["--listen", "::"], &keys[..]].concat()).check(), Ok(()));
    assert_eq!(with(&["--listen", "::", "--credentials", "file"]).check(), Ok(()));
    assert!(with(&["--listen", "::", "--access-key", ""]).check().is_err());
    refused(&["--listen", "example.org"]);
    refused(&["--listen", "127.0.0.1:80"]);
}

#[test]
fn access() {
    // Keys and --no-auth exclude each other; a region is a word, us-east-1 unless given.
    let error = with(&["--no-auth", "--access-key", "A", "--secret-key", "S"]).check();
    assert!(error.unwrap_err().contains("exclude each other"));
    assert_eq!(with(&[]).region(), "us-east-1");
    assert_eq!(with(&["--region", "any"]).region(), "any");
    for bad in ["", "us east", "us/east"] {
        refused(&["--region", bad]);
    }
}

#[test]
fn tls() {
    // A certificate and its key go together, and change the scheme.
    let flags = with(&["--tls-cert", "a.pem", "--tls-key", "b.pem"]);
    assert_eq!((flags.check(), flags.scheme()), (Ok(()), "https"));
    assert_eq!((flags.tls_cert, flags.tls_key), (Some("a.pem".into()), Some("b.pem".into())));
    assert_eq!(with(&[]).scheme(), "http");
    for alone in ["--tls-cert", "--tls-key"] {
        let error = with(&[alone, "a.pem"]).check().unwrap_err();
        assert_eq!(error, "--tls-cert and --tls-key go together");
    }
}

#[test]
fn max_connections() {
    // --max-connections is at least one; without it the limit of open files decides.
    assert_eq!(with(&[]).max_connections, None);
    assert_eq!(with(&["--max-connections", "9"]).max_connections, Some(9));
    for bad in ["0", "-1", "4294967296", "all"] {
        refused(&["--max-connections", bad]);
    }
}

#[test]
fn hosts() {
    // --host takes bare names, repeated or with commas, in lower case.
    let flags = with(&["--host", "S3.example.org", "--host", "a,*"]);
    assert_eq!(flags.host, ["s3.example.org", "a", "*"]);
    for bad in ["http://a", "a:80", "a/b", "", "a b"] {
        refused(&["--host", bad]);
    }
}

#[test]
fn origins() {
    // --cors-origin takes scheme and host, and `*`.
    let flags = with(&["--cors-origin", "https://a.org/,http://localhost:3000,*"]);
    assert_eq!(flags.cors_origin, ["https://a.org", "http://localhost:3000", "*"]);
    for bad in ["a.org", "https://", "https://a.org/path", ""] {
        refused(&["--cors-origin", bad]);
    }
}

#[test]
fn threads() {
    // --threads is at least one; without it there is one for each core.
    assert_eq!(with(&["-t", "3"]).threads(), 3);
    assert!(with(&[]).threads() >= 1);
    for bad in ["0", "-1", "1025", "many"] {
        refused(&["--threads", bad]);
    }
    assert!(with(&["-c"]).pin_threads_to_cpus);
    assert!(with(&["--pin-threads-to-cpus"]).pin_threads_to_cpus);
}

#[test]
fn choices() {
    // Each choice has a default and refuses what it does not know.
    let flags = with(&[]);
    let chosen = (flags.runtime, flags.etag, flags.durability);
    assert_eq!(chosen, (Runtime::Mio, Etag::Md5, Survives::Cache));
    let flags = with(&["--runtime", "smol", "--etag=fast", "--durability", "disk"]);
    let chosen = (flags.runtime, flags.etag, flags.durability);
    assert_eq!(chosen, (Runtime::Smol, Etag::Fast, Survives::Disk));
    assert_eq!(with(&["--runtime", "tokio"]).runtime, Runtime::Tokio);
    refused(&["--runtime", "x"]);
    refused(&["--etag", "sha1"]);
    refused(&["--durability", "paper"]);
}

#[test]
fn switches() {
    // Switches are off unless given.
    let off = with(&[]);
    assert!(!off.read_only && !off.follow_symlinks && !off.no_auth && !off.pin_threads_to_cpus);
    let on = with(&["--read-only", "--follow-symlinks", "--no-auth"]);
    assert!(on.read_only && on.follow_symlinks && on.no_auth);
}

#[test]
fn index() {
    // There is an index if one of its two flags asks for it; no seconds are never.
    for (flags, has_index, refresh) in [
        (&[][..], false, None),
        (&["-e"], true, None),
        (&["-r", "0"], false, None),
        (&["-r", "60"], true, Some(60)),
        (&["--enable-lobos-index", "--lobos-index-refresh-sec", "0"], true, None),
    ] {
        let flags = with(flags);
        assert_eq!((flags.has_index(), flags.refresh()), (has_index, refresh));
    }
    refused(&["--lobos-index-refresh-sec", "soon"]);
    assert_eq!(with(&[]).list_cache_mib, 256);
    assert_eq!(with(&["--list-cache-mib", "0"]).list_cache_mib, 0);
    refused(&["--list-cache-mib", "much"]);
}

#[test]
fn sizes_of_parts() {
    // --min-part-size takes bytes with any usual unit, all of them powers of two.
    assert_eq!(with(&[]).min_part_size, 5 << 20);
    for (value, size) in [
        ("0", 0),
        ("1", 1),
        ("64k", 64 << 10),
        ("64KiB", 64 << 10),
        ("5mib", 5 << 20),
        ("5 MB", 5 << 20),
        ("2G", 2 << 30),
    ] {
        assert_eq!(with(&["--min-part-size", value]).min_part_size, size, "{value}");
    }
    for bad in ["", "MiB", "-1", "1.5M", "5X", "5iB", "99999999999G", "99999999999999999999"] {
        refused(&[&format!("--min-part-size={bad}")]);
    }
}

#[test]
fn times_of_uploads() {
    // --expire-uploads takes days, or another unit; never is not a time.
    let hours = |n: u64| Duration::from_secs(n * 3600);
    assert_eq!(with(&[]).expire_uploads, hours(7 * 24));
    for (value, time) in [("1", hours(24)), ("30d", hours(720)), ("12h", hours(12))] {
        assert_eq!(with(&["--expire-uploads", value]).expire_uploads, time, "{value}");
    }
    for bad in ["", "0", "0h", "d", "1w", "-1", "1.5d", "99999999999999999d"] {
        refused(&[&format!("--expire-uploads={bad}")]);
    }
}

#[test]
fn log() {
    // Requests that failed are logged unless told otherwise, for people, and no port has metrics.
    let flags = with(&[]);
    assert_eq!((flags.log, flags.log_format), (Amount::Errors, Format::Plain));
    assert!(flags.log_filter.is_empty() && flags.admin_listen.is_none());
    let flags =
        with(&["--log", "access", "--log-format", "json", "--log-filter", "Get*=off,fs=off"]);
    assert_eq!((flags.log, flags.log_format), (Amount::Access, Format::Json));
    assert_eq!(flags.log_filter.len(), 2);
    assert_eq!(with(&["--admin-listen", "::"]).admin_listen, "[::]:8081".parse().ok());
    for bad in [["--log", "all"], ["--log-format", "xml"], ["--log-filter", "x"]] {
        refused(&bad);
    }
    refused(&["--admin-listen", "example.org"]);
}
