//! Every system call fails once, and the process dies before every one of them: nothing that was
//! acknowledged is lost, nothing half-made is seen, and the server goes on.
//!
//! `LOBOS_FAULTS=all` makes every call fail in every way, the name of a call only that one; else it
//! is one way of each, by turns.

use std::panic::{AssertUnwindSafe, catch_unwind};

#[path = "faults/operations.rs"]
mod operations;
#[path = "faults/place.rs"]
mod place;

use crate::support::http::Response;
use crate::support::server::{Runtime, Server, Setup};
use crate::support::strace::{Tracer, calls};
use operations::{Operation, READS, WRITES};
use place::{Place, View, answer};

on_every_runtime!(with std::convert::identity; calls_that_fail, deaths);

/// How each call can fail. EINTR is what only a repetition may come of, but for close, which is
/// done then. Left out is a reset of recvfrom, since it would meet the thread that waits for
/// signals too (`cut.rs` has real ones).
const FAULTS: &[(&str, &str)] = &[
    ("openat2", "EMFILE ENFILE EIO EACCES ENOSPC ENAMETOOLONG EINTR"),
    ("openat", "EMFILE ENFILE EIO EACCES ENOSPC"),
    ("statx", "EIO ENOMEM"),
    ("fstat", "EIO ENOMEM"),
    ("newfstatat", "EIO ENOMEM EACCES"),
    ("fgetxattr", "EIO ENOMEM"),
    ("getxattr", "EIO ENOMEM"),
    ("fsetxattr", "ENOSPC EDQUOT EIO EROFS"),
    ("fremovexattr", "EIO EROFS"),
    ("pread64", "EIO EINTR"),
    ("read", "EIO EINTR"),
    ("write", "ENOSPC EDQUOT EIO EINTR"),
    ("pwrite64", "ENOSPC EDQUOT EIO EINTR"),
    ("linkat", "ENOSPC EDQUOT EIO EROFS ENAMETOOLONG"),
    ("renameat", "ENOSPC EIO EROFS ENAMETOOLONG"),
    ("renameat2", "ENOSPC EIO EROFS EINVAL ENAMETOOLONG"),
    ("unlinkat", "EIO EACCES EROFS"),
    ("mkdirat", "ENOSPC EDQUOT EIO EROFS ENAMETOOLONG"),
    ("utimensat", "EIO EROFS"),
    ("getdents64", "EIO"),
    ("lseek", "EIO"),
    ("copy_file_range", "ENOSPC EIO EXDEV EINTR"),
    ("ftruncate", "EIO"),
    ("fallocate", "ENOSPC EIO"),
    ("fsync", "EIO ENOSPC EINTR"),
    ("fdatasync", "EIO ENOSPC EINTR"),
    ("flock", "ENOLCK EINTR"),
    ("fcntl", "EMFILE"),
    ("getrandom", "EINTR"),
    ("sendfile", "EIO EINTR"),
    ("sendto", "ECONNRESET EINTR"),
    ("recvfrom", "EINTR"),
    ("accept4", "EMFILE ENFILE ENOMEM ECONNABORTED EINTR"),
    ("epoll_ctl", "ENOMEM ENOSPC"),
    ("epoll_wait", "EINTR"),
    ("epoll_pwait", "EINTR"),
    ("epoll_pwait2", "EINTR"),
    ("close", "EIO EINTR ENOSPC EDQUOT"),
    ("inotify_add_watch", "ENOSPC ENOMEM"),
];

/// The codes that an operation may fail with when a call has failed so.
fn code(errno: &str) -> (u16, &'static str) {
    match errno {
        "ENOSPC" | "EDQUOT" => (507, "StorageFull"),
        "EMFILE" | "ENFILE" | "ENOMEM" => (503, "SlowDown"),
        "EACCES" | "EROFS" => (403, "AccessDenied"),
        "ENAMETOOLONG" => (400, "KeyTooLongError"),
        _ => (500, "InternalError"),
    }
}

/// Calls of the answer itself: none can be given where they fail.
fn is_answering(call: &str) -> bool {
    matches!(call, "sendfile" | "sendto" | "recvfrom" | "accept4" | "epoll_ctl" | "pread64")
}

/// Calls that do not only come of a request.
fn is_waiting(call: &str) -> bool {
    matches!(call, "epoll_wait" | "epoll_pwait" | "epoll_pwait2")
}

struct Fault<'f> {
    operation: &'f Operation,
    call: &'f str,
    errno: &'f str,
    nth: usize,
}

/// What is no failure to the operation: a folder that is not for us to read is left out of a
/// listing, and what is looked for under a name that is too long is not there. Who makes something
/// under such a name keeps it aside.
fn is_no_failure(fault: &Fault<'_>) -> bool {
    let name = fault.operation.name;
    match (fault.call, fault.errno) {
        (_, "EACCES") => name.starts_with("list"),
        ("openat2", "ENAMETOOLONG") => {
            !["put", "append", "copy", "rename", "complete"].iter().any(|w| name.starts_with(w))
        }
        _ => false,
    }
}

/// What an operation does when nothing fails.
struct Usual {
    answer: String,
    before: View,
    after: View,
    /// Each call that is made, how it can fail, and the how manyth of its thread it is.
    calls: Vec<(&'static str, &'static str, usize)>,
}

fn usual(place: &Place<'_>, operation: &Operation) -> Usual {
    let id = (operation.prepare)(place);
    let before = place.view();
    let tracer = Tracer::attach(place.server, &[]);
    let response = (operation.request)(place, &id).attempt();
    let made = calls(&tracer.detach());
    let response = response.unwrap_or_else(|| panic!("{}", operation.name));
    assert!((200..300).contains(&response.status), "{}: {response:?}", operation.name);
    let calls = FAULTS.iter().flat_map(|(call, errnos)| {
        made.get(*call).into_iter().flatten().map(|nth| (*call, *errnos, *nth))
    });
    let (answer, after) = (answer(place, &response), place.view());
    let usual = Usual { answer, before, after, calls: calls.collect() };
    assert_eq!(place.waste(), [""; 0], "{}", operation.name);
    assert!(!place.has_lost_uploads(&usual.after), "{}", operation.name);
    usual
}

/// On one runtime what is written is on the disk before it is acknowledged.
fn start(runtime: Runtime) -> Server {
    let durability = if runtime.0 == "smol" { "disk" } else { "cache" };
    let args = ["--min-part-size", "0", "--durability", durability];
    Setup::root(runtime).args(&args).start()
}

/// Tells it at once: a complete run takes its time.
fn say(what: &str) {
    std::io::Write::write_all(&mut std::io::stderr(), format!("{what}\n").as_bytes()).unwrap();
}

/// Which of the faults are tried here: by turns, or all.
struct Choice {
    runtime: Runtime,
    all: bool,
    /// If it is only this call.
    only: Option<String>,
}

impl Choice {
    fn new(runtime: Runtime) -> Self {
        let said = std::env::var("LOBOS_FAULTS").ok();
        let only = said.clone().filter(|value| value != "all");
        let is_known = |call: &String| FAULTS.iter().any(|(known, _)| known == call);
        assert!(only.as_ref().is_none_or(is_known), "LOBOS_FAULTS={only:?}");
        Self { runtime, all: said.is_some(), only }
    }

    /// Whether the fault of this number is tried on this runtime.
    fn has(&self, number: usize, call: &str) -> bool {
        let turn = ["mio", "tokio", "smol"].iter().position(|name| *name == self.runtime.0);
        // These wake and look at their own things by calls that would never fail like this.
        let wakes = match self.runtime.0 {
            "mio" => false,
            "tokio" => matches!(call, "read" | "write" | "fcntl"),
            _ => matches!(call, "read" | "write" | "epoll_ctl"),
        };
        let is_meant = self.only.as_deref().is_none_or(|only| only == call);
        !wakes && is_meant && (self.all || Some(number % TURNS) == turn)
    }
}

/// One in so many faults is tried on each runtime.
const TURNS: usize = 29;

fn calls_that_fail(runtime: &Runtime) {
    // Whatever call fails, in whatever way: the answer is the usual one or the error that belongs
    // to the failure, the bucket is as it was or as it should be, nothing temporary is left, the
    // same request succeeds afterwards, and all on one server.
    let (server, choice) = (start(*runtime), Choice::new(*runtime));
    let (mut number, mut hit, mut complaints) = (0, 0, Vec::new());
    for operation in WRITES.iter().chain(READS) {
        number += 1;
        let place = Place::new(&server, number);
        let usual = usual(&place, operation);
        place.remove();
        let ways = usual.calls.iter().flat_map(|(call, errnos, nth)| {
            errnos.split(' ').map(move |errno| Fault { operation, call, errno, nth: *nth })
        });
        let ways = ways.filter(|fault| !is_no_failure(fault));
        for fault in ways {
            number += 1;
            if !choice.has(number, fault.call) {
                continue;
            }
            let place = Place::new(&server, number);
            // A hang is a panic of the client.
            let tried = catch_unwind(AssertUnwindSafe(|| disturb(&place, &fault, &usual)));
            match tried.unwrap_or_else(|_| Err("it hangs, or worse".into())) {
                Ok(true) => hit += 1,
                Ok(false) => {}
                Err(what) => {
                    let Fault { call, errno, nth, .. } = fault;
                    let complaint = format!("{}, {call} {nth} {errno}: {what}", operation.name);
                    say(&complaint);
                    complaints.push(complaint);
                }
            }
            place.remove();
        }
    }
    say(&format!("{hit} calls failed"));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(hit > 100 || choice.only.is_some(), "{hit}");
}

/// Whether the call was made at all.
fn disturb(place: &Place<'_>, fault: &Fault<'_>, usual: &Usual) -> Result<bool, String> {
    let (operation, call) = (fault.operation, fault.call);
    let id = (operation.prepare)(place);
    let inject = format!("inject={call}:error={}:when={}", fault.errno, fault.nth);
    let tracer = Tracer::attach(place.server, &[format!("trace={call}"), inject]);
    let response = (operation.request)(place, &id).attempt();
    let hit = tracer.detach().iter().any(|line| line.contains("(INJECTED)"));
    let failed = response.as_ref().is_none_or(|response| {
        let partly = response.find("Content-Type") == Some("application/xml")
            && response.text().contains("<Error>");
        !(200..300).contains(&response.status) || partly
    });
    match response {
        None if is_answering(call) && hit => {}
        None => return Err("no answer".into()),
        Some(response) if failed => check_error(&response, fault)?,
        Some(response) => {
            let got = answer(place, &response);
            if got != usual.answer {
                return Err(format!("the answer is {got}\nand not {}", usual.answer));
            }
        }
    }
    let cannot_tidy = matches!(call, "unlinkat" | "openat" | "openat2" | "getdents64" | "fcntl");
    let mut view = place.view();
    if cannot_tidy && operation.name.starts_with("complete") && !failed {
        // It stays until it is swept, and the log says so.
        view.remove("upload 0");
    }
    check_view(&view, usual, operation, failed)?;
    if failed {
        let again = (operation.request)(place, &id).send();
        let done = (200..300).contains(&again.status);
        // What was done though it failed need not be done again.
        if !done && (view != usual.after || again.status >= 500) {
            return Err(format!("again it fails: {} {}", again.status, again.text()));
        }
        // An upload is created each time.
        let is_another = operation.name == "create an upload" && view == usual.after;
        view = place.view();
        if !is_another {
            check_view(&view, usual, operation, false)?;
        }
        if place.has_lost_uploads(&view) {
            return Err("the files of an upload are left".into());
        }
    }
    let waste = place.waste();
    if call != "unlinkat" && !waste.is_empty() {
        return Err(format!("waste is left: {waste:?}"));
    }
    Ok(hit)
}

fn check_error(response: &Response, fault: &Fault<'_>) -> Result<(), String> {
    let (mut status, mut code) = code(fault.errno);
    if fault.call == "openat2" && fault.errno == "ENAMETOOLONG" {
        // The bucket, the source or what is appended to is not there.
        (status, code) = match response.text() {
            text if text.contains("<Code>InvalidWriteOffset<") => (400, "InvalidWriteOffset"),
            text if text.contains("<Code>NoSuchKey<") => (404, "NoSuchKey"),
            text if text.contains("<Code>NoSuchBucket<") => (404, "NoSuchBucket"),
            text if text.contains("<Code>NoSuchUpload<") => (404, "NoSuchUpload"),
            _ => (status, code),
        };
    }
    let partly = fault.operation.each && response.status == 200;
    if fault.errno == "EINTR" || (response.status != status && !partly) {
        return Err(format!("{} {}", response.status, String::from_utf8_lossy(&response.body)));
    }
    let named = if response.body.is_empty() { Vec::new() } else { response.all("Code") };
    let right = named.iter().all(|named| named == code);
    if right { Ok(()) } else { Err(format!("{named:?} in {}", response.text())) }
}

/// The bucket is as it was or as it should be; `failed`: it may be as it was.
fn check_view(
    view: &View,
    usual: &Usual,
    operation: &Operation,
    failed: bool,
) -> Result<(), String> {
    let known = if operation.each && failed {
        let of = |all: &View, key: &String| all.get(key).cloned();
        usual.before.keys().chain(view.keys()).all(|key| {
            let now = of(view, key);
            now == of(&usual.before, key) || now == of(&usual.after, key)
        })
    } else {
        *view == usual.after || (failed && *view == usual.before)
    };
    if known {
        return Ok(());
    }
    let differs = |all: &View| {
        let other = |key: &&String| all.get(*key) != view.get(*key);
        view.keys().chain(all.keys()).filter(other).cloned().collect::<Vec<_>>()
    };
    let (before, after) = (differs(&usual.before), differs(&usual.after));
    Err(format!("failed {failed}, not as before in {before:?}, nor as after in {after:?}"))
}

fn deaths(runtime: &Runtime) {
    // The process dies before any of its calls: the next one finds the bucket as it was or as it
    // should be, and as it should be if that was acknowledged; the same request succeeds then, and
    // after the next upload nothing temporary is left.
    let (mut server, choice) = (start(*runtime), Choice::new(*runtime));
    let (mut number, mut died, mut complaints) = (0, 0, Vec::new());
    for operation in WRITES {
        number += 1;
        let place = Place::new(&server, number);
        let usual = usual(&place, operation);
        place.remove();
        for (call, _, nth) in &usual.calls {
            number += 1;
            // Some of these are made as soon as strace attaches.
            let is_network = is_answering(call) && *call != "sendto" || is_waiting(call);
            if is_network || !choice.has(number, call) {
                continue;
            }
            let place = Place::new(&server, number);
            let id = (operation.prepare)(&place);
            let inject = format!("inject={call}:signal=KILL:when={nth}");
            let tracer = Tracer::attach(&server, &[format!("trace={call}"), inject]);
            let response = (operation.request)(&place, &id).attempt();
            tracer.detach();
            died += usize::from(server.has_ended());
            server = server.restarted();
            let place = Place::again(&server, number);
            let acknowledged = response.is_some();
            if let Err(what) = survived(&place, operation, &usual, &id, acknowledged) {
                complaints.push(format!("{}, {call} {nth}: {what}", operation.name));
                say(complaints.last().unwrap());
            }
            place.remove();
        }
    }
    say(&format!("{died} deaths"));
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
    assert!(died > 20 || choice.only.is_some(), "{died}");
}

/// What another process makes of what a dead one has left.
fn survived(
    place: &Place<'_>,
    operation: &Operation,
    usual: &Usual,
    id: &str,
    acknowledged: bool,
) -> Result<(), String> {
    let mut view = place.view();
    if acknowledged && operation.name.starts_with("complete") {
        // It is acknowledged once the object is there.
        view.remove("upload 0");
    }
    check_view(&view, usual, operation, !acknowledged)?;
    if !acknowledged {
        let again = (operation.request)(place, id).send();
        let done = (200..300).contains(&again.status);
        if !done && (view != usual.after || again.status >= 500) {
            return Err(format!("again it fails: {} {}", again.status, again.text()));
        }
        let is_new = operation.name == "create an upload" && view == usual.after;
        if !is_new {
            check_view(&place.view(), usual, operation, false)?;
        }
    }
    if place.path().exists() {
        for _ in 0..2 {
            place.request("PUT", "next").body("next").send().expect(200);
        }
    }
    let waste = place.waste();
    if waste.is_empty() { Ok(()) } else { Err(format!("waste is left: {waste:?}")) }
}
