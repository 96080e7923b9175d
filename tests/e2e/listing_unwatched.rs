//! Listings where the kernel gives no more inotify watches, or none at all.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::http::Connection;
use crate::support::pages::Query;
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree;
use rustix::process::Signal;

on_every_runtime![
    with std::convert::identity;
    few_watches,
    no_inotify,
];

const FOLDERS: usize = 40;

/// With the index, on folders of three files each, in two levels, under a limit of the kernel.
fn start(runtime: Runtime, limit: (&'static str, u32)) -> Server {
    let setup = Setup::new(runtime).arg("--enable-lobos-index").limit(limit);
    for folder in 0..FOLDERS {
        let folder = setup.home().join(format!("bench/{}/{folder:02}", folder % 4));
        fs::create_dir_all(&folder).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(folder.join(name), name).unwrap();
        }
    }
    setup.start()
}

/// Changes each folder behind the server's back, and finds it in the very next list.
fn change_all(server: &Server) {
    let connection = RefCell::new(server.connect());
    let check = || check(server, &mut connection.borrow_mut());
    check();
    for at in 0..FOLDERS {
        let folder = server.path(&format!("{}/{at:02}", at % 4));
        fs::remove_file(folder.join("b")).unwrap();
        fs::write(folder.join("new"), "new").unwrap();
        check();
        fs::create_dir(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/er"), "er").unwrap();
        check();
        fs::rename(&folder, server.path(&format!("moved-{at:02}"))).unwrap();
        check();
    }
}

#[track_caller]
fn check(server: &Server, connection: &mut Connection) {
    let page = Query::of("").page(connection, server, "");
    let on_disk: BTreeSet<String> = tree::files(Path::new(&server.path(""))).into_iter().collect();
    let listed: BTreeSet<String> = page.objects.into_keys().collect();
    assert_eq!(listed, on_disk);
}

fn few_watches(runtime: &Runtime) {
    // Folders beyond fs.inotify.max_user_watches are listed as they are, and the log says once
    // that they are read for each listing.
    let server = start(*runtime, ("max_inotify_watches", 12));
    change_all(&server);
    let (_, log) = server.signal(Signal::TERM);
    assert_eq!(log.matches("max_user_watches").count(), 1, "{log}");
}

fn no_inotify(runtime: &Runtime) {
    // Without any inotify all folders are listed as they are, and the log says so once.
    let server = start(*runtime, ("max_inotify_instances", 0));
    change_all(&server);
    let (_, log) = server.signal(Signal::TERM);
    assert_eq!(log.matches("inotify").count(), 1, "{log}");
}
