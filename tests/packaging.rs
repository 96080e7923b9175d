//! What people install: container, service, wheel, man page and completions.
//!
//! `packaging/setup.sh` installs the programs that meet them, and each test is a script beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

const LOBOS: &str = env!("CARGO_BIN_EXE_lobos");
const LIMIT: &str = "600";

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn script(name: &str) -> PathBuf {
    top().join("tests/packaging").join(name)
}

/// A program of the tools, with a limit on its time.
fn limited(program: impl AsRef<Path>) -> Command {
    static DONE: Once = Once::new();
    DONE.call_once(|| run(Command::new("bash").arg(script("setup.sh"))));
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(program.as_ref());
    command
}

/// Runs to the end and fails with all that was said.
fn run(command: &mut Command) {
    let done = command.stdin(Stdio::null()).output().expect("the command starts");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    println!("{out}{err}");
    assert!(done.status.success(), "{command:?} ended with {}\n{out}{err}", done.status);
}

#[test]
fn container() {
    // The Dockerfile is clean, and what it makes serves with no arguments, as root and others.
    let hadolint = top().join("target/packaging/venv/bin/hadolint");
    let mut command = limited("/usr/bin/python3");
    command.arg(script("container.py")).arg(LOBOS).arg(top().join("Dockerfile")).arg(hadolint);
    run(&mut command);
}

#[test]
fn shells() {
    // The man page and the completions are right to `man`, bash, zsh and fish.
    run(limited("/usr/bin/python3").arg(script("shells.py")).arg(LOBOS));
}

#[test]
fn unit() {
    // systemd finds the service well-formed and tight, and Lobos lives under its filter.
    let unit = top().join("packaging/lobos.service");
    run(limited("/usr/bin/python3").arg(script("unit.py")).arg(LOBOS).arg(unit));
}

#[test]
fn wheel() {
    // pip installs the command and a fixture of pytest, which does what its page says.
    let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    run(limited("/bin/bash").arg(script("wheel.sh")).arg(home.path()));
}
