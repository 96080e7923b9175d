//! strace on a running server: its system calls counted, made to fail, or their process killed at
//! the door of one. The product has no code for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{PATIENCE, Server};

/// An strace that is attached to all threads of a server.
pub(crate) struct Tracer {
    child: Child,
    file: PathBuf,
}

impl Tracer {
    /// Attaches with these expressions (`-e`) and waits until every thread is held.
    pub(crate) fn attach(server: &Server, expressions: &[String]) -> Self {
        let file = server.home().join("trace");
        let mut command = Command::new("/usr/bin/strace");
        command.args(["-f", "-q", "-y", "-s", "0", "-o"]).arg(&file);
        command.args(["-p", &server.pid().to_string()]);
        for expression in expressions {
            command.args(["-e", expression]);
        }
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut tracer = Self { child: child.expect("strace is to be had"), file };
        let (start, own) = (Instant::now(), format!("TracerPid:\t{}\n", tracer.child.id()));
        while !is_held(server, &own) {
            assert!(tracer.child.try_wait().unwrap().is_none(), "strace cannot attach");
            assert!(start.elapsed() < PATIENCE, "strace does not attach");
            std::thread::sleep(Duration::from_millis(1));
        }
        tracer
    }

    /// Lets the server go on alone, and gives the lines of what it did.
    pub(crate) fn detach(mut self) -> Vec<String> {
        // One who lets go while a call is being made to fail spoils that call in another way.
        let mut size = None;
        while size != fs::metadata(&self.file).ok().map(|file| file.len()) {
            size = fs::metadata(&self.file).ok().map(|file| file.len());
            std::thread::sleep(Duration::from_millis(3));
        }
        self.end();
        let text = fs::read(&self.file).unwrap();
        String::from_utf8_lossy(&text).lines().map(Into::into).collect()
    }
}

impl Tracer {
    fn end(&mut self) {
        // It has ended already if the server has.
        if self.child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&self.child), Signal::INT).ok();
            let start = Instant::now();
            while self.child.try_wait().unwrap().is_none() {
                // It can miss the end of a thread, and waits for that.
                if start.elapsed() > Duration::from_millis(300) {
                    self.child.kill().unwrap();
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether every thread of the server has this tracer.
fn is_held(server: &Server, tracer: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    tasks.map_while(Result::ok).all(|task| {
        let status = fs::read_to_string(task.path().join("status"));
        status.is_ok_and(|status| status.contains(tracer))
    })
}

/// Which calls were made: by name, the first, second, ... of the thread that made it, since strace
/// counts the calls of each thread by themselves. Left out is where some thread wakes another (a
/// word of eight bytes), since there is no disk that fails, each fcntl and epoll_ctl that makes
/// nothing and so needs nothing, and each close that others wait for: of a connection, and of a
/// file that is locked. strace makes that fail by leaving it undone, and the kernel never does.
pub(crate) fn calls(lines: &[String]) -> BTreeMap<String, BTreeSet<usize>> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut made, mut harmless) = (BTreeMap::<String, BTreeSet<usize>>::new(), Vec::new());
    for line in lines {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(call)) = (words.next(), words.next()) else { continue };
        let Some((name, _)) = call.split_once('(') else { continue };
        let count = counts.entry((name, thread)).or_default();
        *count += 1;
        made.entry(name.to_owned()).or_default().insert(*count);
        let is_harmless = match name {
            "read" | "write" => {
                ["8)", "8 <"].iter().any(|end| line.contains(&format!("..., {end}")))
            }
            "fcntl" => !line.contains("F_DUPFD"),
            "epoll_ctl" => !line.contains("EPOLL_CTL_ADD"),
            "close" => {
                let held = ["<socket:", "/.lobos/lock/", "/.lobos/uploads/", "/.lobos/tmp/"];
                held.iter().any(|held| line.contains(held))
            }
            _ => false,
        };
        if is_harmless {
            harmless.push((name, *count));
        }
    }
    // The connection may be closed after the last look.
    let served = counts.iter().filter(|((name, _), _)| *name == "recvfrom");
    for ((_, thread), _) in served {
        harmless.push(("close", counts.get(&("close", thread)).map_or(1, |count| count + 1)));
    }
    for (name, count) in harmless {
        made.entry(name.to_owned()).or_default().remove(&count);
    }
    made
}
