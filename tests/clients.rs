//! Real clients against a real folder, on every runtime: those that take seconds.
//!
//! `clients/setup.sh` installs them and `clients/with_*.py` drive them; `./run-clients` has the
//! rest.

#[path = "e2e/support/certificate.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "made for tests that use more of it")]
mod certificate;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Once, mpsc};
use std::time::Duration;

const START: Duration = Duration::from_secs(20);
const SCRIPT_LIMIT: &str = "240";

/// A running server; killed when dropped.
struct Server {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Server {
    /// Serves `home/photos`, and `home/other` as the bucket `extra`, on a free port.
    fn start(runtime: &str, home: &Path, secure: bool) -> Self {
        let log = home.join("server.log");
        let mut extra = std::ffi::OsString::from("extra=");
        extra.push(home.join("other"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_lobos"));
        if secure {
            certificate::copy_to(home);
            command.arg("--tls-cert").arg(home.join("server.pem"));
            command.arg("--tls-key").arg(home.join("server.key"));
        }
        let child = command
            .args(["--port", "0", "--threads", "2", "--runtime", runtime, "--dir"])
            .arg(home.join("photos"))
            .arg("--dir")
            .arg(extra)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log file"))
            .spawn()
            .expect("the server starts");
        let mut server = Self { child, url: String::new(), log };
        server.url = server.announced();
        server
    }

    /// The URL that the server prints once it accepts connections. A thread of its own reads on,
    /// so that a full pipe never stops the server.
    fn announced(&mut self) -> String {
        let out = self.child.stdout.take().expect("a pipe");
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some((_, url)) = line.split_once("listening on ") {
                    sender.send(url.trim().to_owned()).ok();
                }
            }
        });
        match receiver.recv_timeout(START) {
            Ok(url) => url,
            Err(_) => panic!("the server said no URL: {}", self.said()),
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Installs the clients, once per process; a missing one is a failure and no skipped test.
fn set_up() {
    static DONE: Once = Once::new();
    DONE.call_once(|| run(Command::new("bash").arg(scripts().join("setup.sh"))));
}

/// A virtual environment's Python, for one script, with a limit on its time.
fn python(venv: &str, script: &str) -> Command {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients").join(venv);
    let mut command = Command::new("timeout");
    command
        .arg(SCRIPT_LIMIT)
        .arg(venv.join("bin/python"))
        .args(["-B", "-X", "utf8"])
        .arg(scripts().join(script));
    command.env("LOBOS_BINARY", env!("CARGO_BIN_EXE_lobos"));
    for name in ["PYTHONHOME", "PYTHONPATH"] {
        command.env_remove(name);
    }
    command
}

/// Runs to the end and fails with all that was said.
fn run(command: &mut Command) {
    if let Err(said) = try_to(command) {
        panic!("{said}");
    }
}

fn try_to(command: &mut Command) -> Result<(), String> {
    let done = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    Err(format!("{command:?} ended with {}\n{out}{err}", done.status))
}

/// A fresh folder, a fresh server, one script of one client in its virtual environment.
fn check(runtime: &str, venv: &str, script: &str, version: &[&str]) {
    check_by(runtime, venv, script, version, false);
}

/// The same, by HTTPS or not.
fn check_by(runtime: &str, venv: &str, script: &str, version: &[&str], secure: bool) {
    set_up();
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    fs::create_dir(home.path().join("other")).expect("a second folder");
    run(python(venv, "folder.py").arg(home.path().join("photos")));
    let mut server = Server::start(runtime, home.path(), secure);
    let result = try_to(python(venv, script).arg(&server.url).arg(home.path()).args(version));
    let said = server.said();
    if let Err(failure) = result {
        panic!("{failure}\nthe server said:\n{said}");
    }
    assert!(!said.contains("panicked"), "the server said:\n{said}");
    assert!(matches!(server.child.try_wait(), Ok(None)), "the server ended:\n{said}");
}

/// One test per client and runtime: name, virtual environment, script and its words, property.
macro_rules! on_every_runtime {
    ($($name:ident: $venv:literal, $script:literal, $words:expr;)*) => {
        on_every_runtime!(@mio $($name, $venv, $script, $words;)*);
        on_every_runtime!(@tokio $($name, $venv, $script, $words;)*);
        on_every_runtime!(@smol $($name, $venv, $script, $words;)*);
    };
    (@$runtime:ident $($name:ident, $venv:literal, $script:literal, $words:expr;)*) => {
        mod $runtime {
            $(#[test]
            fn $name() {
                // What the first lines of the script say, with every byte compared.
                super::check(stringify!($runtime), $venv, $script, &$words);
            })*
        }
    };
}

on_every_runtime! {
    awscrt: "venv", "with_awscrt.py", [];
    chromium: "venv", "with_chromium.py", [env!("CARGO_BIN_EXE_lobos")];
    boto3: "venv", "with_boto3.py", [];
    boto3_parts: "venv", "with_boto3_parts.py", [];
    curl: "venv", "with_curl.py", [];
    lmcache: "venv", "with_lmcache.py", [];
    minio_py: "venv", "with_minio_py.py", [];
    obstore: "venv", "with_obstore.py", [];
    pyarrow: "venv-async", "with_pyarrow.py", [];
    rclone: "venv", "with_rclone.py", [];
    s3cmd: "venv", "with_s3cmd.py", [];
    s3fs: "venv-async", "with_s3fs.py", [];
    s3fs_fuse: "venv", "with_s3fs_fuse.py", [];
}

/// The clients that are met by HTTPS, too.
macro_rules! by_https {
    ($($name:ident: $runtime:literal, $script:literal, $words:expr;)*) => {
        mod https {
            $(#[test]
            fn $name() {
                // What the first lines of the script say, with every byte compared.
                crate::check_by($runtime, "venv", $script, &$words, true);
            })*
        }
    };
}

by_https! {
    aws_cli_v2: "mio", "with_aws.py", ["v2"];
    boto3: "tokio", "with_boto3.py", [];
    curl_mio: "mio", "with_curl.py", [];
    curl_smol: "smol", "with_curl.py", [];
    curl_tokio: "tokio", "with_curl.py", [];
}

#[test]
fn page() {
    // What a person does in a browser works, and leaves the right bytes.
    check("mio", "venv", "with_page.py", &[]);
}

#[test]
fn prometheus() {
    // The parser of Prometheus' own client finds every metric, with its type and its values.
    check("mio", "venv", "with_prometheus.py", &[]);
}

// Each of their many commands takes the aws cli a second to start: one runtime (and version 1 is
// among those of `./run-clients`). boto3 does the same on all three.

#[test]
fn aws_cli_v1() {
    // Each step of the script ends as a user would expect, and leaves the right bytes.
    check("smol", "venv", "with_aws.py", &["v1"]);
}

#[test]
fn aws_cli_v2() {
    // Each step of the script ends as a user would expect, and leaves the right bytes.
    check("tokio", "venv", "with_aws.py", &["v2"]);
}

#[test]
fn aws_cli_v2_parts() {
    // Each step of the script ends as a user would expect, and leaves the right bytes.
    check("smol", "venv", "with_aws_parts.py", &["v2"]);
}
