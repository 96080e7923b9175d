//! A Lobos of its own for one test: started on a fresh folder, killed and removed when dropped.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::http::{Connection, Request, Response};
use super::{certificate, sanitizer};

/// How long a start, an answer or an end may take, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What is said of an index.
const INDEX_WHOLE: &str = "lobos: index whole: ";

/// Limits of a user namespace.
const LIMITS: &str = "/proc/sys/user/";

/// The value of `--runtime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runtime(pub(crate) &'static str);

/// A server to be started.
pub(crate) struct Setup {
    runtime: Runtime,
    home: TempDir,
    args: Vec<OsString>,
    mount: String,
    secure: bool,
    /// What of strace, if that is to watch it.
    traced: Vec<String>,
}

impl Setup {
    /// The bucket `bench` in a fresh folder.
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self::within(runtime, &std::env::temp_dir())
    }

    /// The bucket `bench` in a fresh folder of `parent`, which tells the file system.
    pub(crate) fn within(runtime: Runtime, parent: &Path) -> Self {
        let home = tempfile::tempdir_in(parent).unwrap();
        let mut setup = Self::in_home(runtime, home);
        fs::create_dir(setup.home.path().join("bench")).unwrap();
        let dir = setup.home.path().join("bench");
        setup.args.extend(["--dir".into(), dir.into()]);
        setup
    }

    /// Every folder in a fresh folder is a bucket; there is none yet.
    pub(crate) fn root(runtime: Runtime) -> Self {
        let mut setup = Self::bare(runtime);
        fs::create_dir(setup.home.path().join("root")).unwrap();
        let root = setup.home.path().join("root");
        setup.args.extend(["--root".into(), root.into()]);
        setup
    }

    /// No bucket at all: the test gives its own `--dir`.
    pub(crate) fn bare(runtime: Runtime) -> Self {
        Self::in_home(runtime, tempfile::tempdir().unwrap())
    }

    fn in_home(runtime: Runtime, home: TempDir) -> Self {
        Self {
            runtime,
            home,
            args: Vec::new(),
            mount: String::new(),
            secure: false,
            traced: Vec::new(),
        }
    }

    /// A line of sh that mounts something for the server, in the folder that holds all others. Who
    /// looks at it goes by [`Server::seen`].
    pub(crate) fn mount(mut self, line: &str) -> Self {
        self.mount = line.to_owned();
        self
    }

    /// The same with TLS, by the certificate of all tests.
    pub(crate) fn secure(mut self) -> Self {
        certificate::copy_to(self.home.path());
        for (flag, name) in [("--tls-cert", "server.pem"), ("--tls-key", "server.key")] {
            self.args.extend([flag.into(), self.home.path().join(name).into()]);
        }
        self.secure = true;
        self
    }

    /// One more argument.
    pub(crate) fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The folder that holds all folders of this test.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// More arguments.
    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(Into::into));
        self
    }

    /// Watched by strace with these arguments, which writes the file `trace` beside the buckets.
    pub(crate) fn traced(mut self, args: &[&str]) -> Self {
        let path = self.home.path().join("trace").to_str().unwrap().to_owned();
        // -D: the server stays the child of the test.
        let fixed = ["/usr/bin/strace", "-D", "-f", "-y", "-qq", "-o", &path];
        self.traced = fixed.iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        self
    }

    /// A limit of the kernel for it, by its name in /proc/sys/user, and no mount.
    pub(crate) fn limit(mut self, (name, value): (&str, u32)) -> Self {
        self.mount = format!("echo {value} > {LIMITS}{name}");
        self
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) fn start(self) -> Server {
        let scheme = if self.secure { "https" } else { "http" };
        self.start_by(scheme)
    }

    /// [`Setup::start`] with arguments that make its URL begin with this.
    pub(crate) fn start_by(self, scheme: &str) -> Server {
        let Self { runtime, home, args, mount, secure, traced } = self;
        let mut server = Self::launch(runtime, home.path(), (args, mount, traced), scheme);
        (server.home, server.secure) = (Some(home), secure);
        server
    }

    fn launch(
        runtime: Runtime,
        home: &Path,
        (args, mount, traced): (Vec<OsString>, String, Vec<String>),
        scheme: &str,
    ) -> Server {
        let mut command = contained(home, mount.contains(LIMITS), &traced);
        command.env("LOBOS_TEST_MOUNT", &mount);
        if runtime == MEMORY {
            command.arg(memory()).args(["0", "bench"]);
        } else {
            command.arg(env!("CARGO_BIN_EXE_lobos")).args(["--port", "0", "--runtime", runtime.0]);
            command.env("LOBOS_THREADS", "2").args(&args);
        }
        if runtime.0 == "tokio" {
            // Nobody may notice whether there is an index: every test meets one on one runtime.
            command.env("LOBOS_ENABLE_LOBOS_INDEX", "1");
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let err = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            BufReader::new(err).read_to_string(&mut text).ok();
            text
        });
        let (sender, lines) = mpsc::channel();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                sender.send(line).ok();
            }
        });
        let mut said = Vec::new();
        let address = loop {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                child.kill().ok();
                panic!("not listening; stdout {said:?}, stderr {:?}", log.join());
            };
            let start = format!("listening on {scheme}://");
            let url = line.strip_prefix(&start).map(str::to_owned);
            said.push(line);
            if let Some(url) = url {
                break url.parse().unwrap();
            }
        };
        let (home, log, secure) = (None, Some(log), false);
        Server { child, home, address, said, log, runtime, args, mount, secure }
    }
}

/// Everything but the folder of the test is read-only for the server, whatever a test makes it
/// try: in a mount namespace of its own, where `$1` is that folder.
const CONTAIN: &str = r#"
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
home=$1
shift
mount --bind "$home/.." "$home/.." # whatever file system it is on
mount -o remount,bind,ro "$home/.."
mount --bind "$home" "$home"
mount -o remount,bind,rw "$home"
mount -o remount,bind,ro /
for other in /tmp /var/tmp /dev/shm /home /run; do
    mount -o remount,bind,ro "$other" 2>/dev/null || true
done
for outside in "$home/.." / /tmp /var/tmp /dev/shm /home /run; do
    if touch "$outside/lobos-escaped" 2>/dev/null; then
        rm -f "$outside/lobos-escaped"
        echo "not contained: $outside can be written" >&2
        exit 1
    fi
done
cd "$home"
eval "$LOBOS_TEST_MOUNT"
unset LOBOS_TEST_MOUNT
exec "$@"
"#;

/// The command in a mount namespace of its own, and with a limit in a user namespace too.
fn contained(home: &Path, limited: bool, traced: &[String]) -> Command {
    let mut command = Command::new("/usr/bin/unshare");
    if limited || !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "/bin/sh", "-c", CONTAIN, "sh"]).arg(home);
    let settings = sanitizer::settings(!traced.is_empty());
    command.args(traced).env_clear().envs(settings).stdin(Stdio::null());
    command
}

/// In the place of a runtime: the example that keeps its objects in memory.
pub(crate) const MEMORY: Runtime = Runtime("memory");

fn memory() -> PathBuf {
    // The examples of a package lie beside its programs.
    let program = Path::new(env!("CARGO_BIN_EXE_lobos")).with_file_name("examples/memory");
    assert!(program.exists(), "missing: cargo build --example memory");
    program
}

/// The command, with no setting from the environment of whoever runs the tests.
pub(crate) fn lobos() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobos"));
    command.env_clear().envs(sanitizer::settings(false)).stdin(Stdio::null());
    command
}

/// Runs the command to its end, which must come within [`PATIENCE`].
pub(crate) fn run(command: &mut Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child);
    child.wait_with_output().unwrap()
}

fn wait(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().ok();
            panic!("the command does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Absent when it goes on to another server, and of the second one on a folder.
    home: Option<TempDir>,
    address: SocketAddr,
    said: Vec<String>,
    log: Option<JoinHandle<String>>,
    runtime: Runtime,
    args: Vec<OsString>,
    mount: String,
    secure: bool,
}

impl Server {
    /// On the empty bucket `bench`.
    pub(crate) fn start(runtime: Runtime) -> Self {
        Setup::new(runtime).start()
    }

    /// Kills it and starts another on the same folder with the same arguments.
    pub(crate) fn restarted(self) -> Self {
        self.stopped().start()
    }

    /// Kills it; another one can be started on the same folder with the same arguments.
    pub(crate) fn stopped(mut self) -> Setup {
        let home = self.home.take().unwrap();
        let (args, mount) = (std::mem::take(&mut self.args), std::mem::take(&mut self.mount));
        let (runtime, secure) = (self.runtime, self.secure);
        let setup = Setup { runtime, home, args, mount, secure, traced: Vec::new() };
        self.child.kill().ok();
        drop(self);
        setup
    }

    /// Another server with the same arguments, and so on the same folder, which is this one's.
    pub(crate) fn second(&self) -> Self {
        let how = (self.args.clone(), self.mount.clone(), Vec::new());
        Setup::launch(self.runtime, self.home(), how, "http")
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        // Whatever contains it has become it.
        self.child.id()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it printed up to the line with the URL.
    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }

    /// The folder that holds all folders of this test.
    pub(crate) fn home(&self) -> &Path {
        self.home.as_ref().unwrap().path()
    }

    /// The same folder with what is mounted in it for the server only.
    pub(crate) fn seen(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(self.home().strip_prefix("/").unwrap())
    }

    /// Runs a line of sh where the server is: with its mounts, in the folder of [`Server::seen`].
    pub(crate) fn inside(&self, line: &str) {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["--target", &self.pid().to_string(), "--mount"]);
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--preserve-credentials"]);
        }
        let line = format!("cd '{}' && {line}", self.home().display());
        let done = command.args(["/bin/sh", "-c", &line]).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// A path in the bucket `bench`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home().join("bench").join(name)
    }

    /// Puts a file beneath the bucket `bench` without asking the server, with its parents.
    pub(crate) fn place(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// A fresh connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address, self.secure)
    }

    /// A request to be completed and sent.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        Request::new(self.address, method, target).secure(self.secure)
    }

    /// GET.
    pub(crate) fn get(&self, target: &str) -> Response {
        self.request("GET", target).send()
    }

    /// HEAD.
    pub(crate) fn head(&self, target: &str) -> Response {
        self.request("HEAD", target).send()
    }

    /// DELETE.
    pub(crate) fn delete(&self, target: &str) -> Response {
        self.request("DELETE", target).send()
    }

    /// PUT of these bytes.
    pub(crate) fn put(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.request("PUT", target).body(body).send()
    }

    /// Stores an object and insists that it worked.
    pub(crate) fn store(&self, key: &str, body: impl AsRef<[u8]>) -> Response {
        self.put(&format!("/bench/{key}"), body).expect(200)
    }

    /// Sends raw bytes on a fresh connection and reads one answer.
    pub(crate) fn raw(&self, bytes: impl AsRef<[u8]>) -> Response {
        let mut connection = self.connect();
        connection.write(bytes);
        connection.response("GET")
    }

    /// Sends a signal and gives back how the process ended and its log.
    pub(crate) fn signal(mut self, signal: rustix::process::Signal) -> (ExitStatus, String) {
        self.send_signal(signal);
        self.ended()
    }

    /// Sends a signal and goes on.
    pub(crate) fn send_signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let status = wait(&mut self.child);
        let log = self.log.take().map(|log| log.join().unwrap()).unwrap_or_default();
        sanitizer::check(&log);
        // Of the index that nobody may notice; it comes if there is time for it.
        let is_said = |line: &&str| self.runtime.0 == "tokio" && line.starts_with(INDEX_WHOLE);
        (status, log.split_inclusive('\n').filter(|line| !is_said(line)).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.child.try_wait().ok().flatten();
        if sanitizer::is_used() {
            sanitizer::end(&mut self.child);
        }
        self.child.kill().ok();
        self.child.wait().ok();
        let is_failure = std::thread::panicking();
        if !is_failure && !sanitizer::is_used() {
            return;
        }
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        if is_failure {
            let ended = ended.map_or_else(|| "it runs".to_owned(), |status| status.to_string());
            let log = format!("log of the server ({ended}): {log}\n");
            std::io::Write::write_all(&mut std::io::stderr(), log.as_bytes()).ok();
        } else {
            sanitizer::check(&log);
        }
    }
}
