//! What another program does to the files is in the very next list, or out of it.
//!
//! `LOBOS_TRIALS=10000 cargo test --release --test e2e listing_live` tries each change that often.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::dice::Dice;
use crate::support::http::Connection;
use crate::support::pages::{Operation, Query, escape};
use crate::support::server::{Runtime, Server, Setup};
use lobos_proto::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::Signal;

/// The options that each test runs with, one set after the other.
const INDEX: &[&[&str]] = &[&[], &["--enable-lobos-index"]];

/// So many files are in the large folder.
const MANY: usize = 5000;

on_every_runtime![
    with std::convert::identity;
    one_change,
    bursts,
    folders_made_again,
    whole_bucket_replaced,
    written_by_another_name,
    more_than_is_told,
];

/// How often a test tries, in each place and with each set of options.
fn trials(default: usize) -> usize {
    std::env::var("LOBOS_TRIALS").map_or(default, |text| text.parse().unwrap())
}

/// Runs a test in memory and on disk, with each set of options; `fill` makes what is there before
/// the server starts.
fn everywhere(runtime: Runtime, fill: impl Fn(&Path), test: impl Fn(&Live)) {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    for place in places.iter().filter(|place| place.is_dir()) {
        for args in INDEX {
            let setup = Setup::within(runtime, place).args(args);
            fs::create_dir(setup.home().join("elsewhere")).unwrap();
            fill(&setup.home().join("bench"));
            let server = setup.start();
            let connection = RefCell::new(server.connect());
            let dice = RefCell::new(Dice::new(7));
            test(&Live { server, connection, dice, made: Cell::new(0), changes: Cell::new(0) });
        }
    }
}

/// A folder of ten, one of [`MANY`], and one two levels deep.
fn three_folders(bucket: &Path) {
    for (folder, count) in [("small", 10), ("big", MANY), ("one/two", 40), ("target", 2)] {
        fs::create_dir_all(bucket.join(folder)).unwrap();
        for at in 0..count {
            fs::write(bucket.join(folder).join(format!("k{at:04}")), "x").unwrap();
        }
    }
}

/// A server, and the disk that it must agree with.
struct Live {
    server: Server,
    connection: RefCell<Connection>,
    dice: RefCell<Dice>,
    made: Cell<usize>,
    changes: Cell<usize>,
}

impl Live {
    fn below(&self, bound: usize) -> usize {
        self.dice.borrow_mut().below(bound)
    }

    fn pause(&self, millis: &[u64]) {
        let millis = *self.dice.borrow_mut().pick(millis);
        std::thread::sleep(Duration::from_millis(millis));
    }

    fn path(&self, key: &str) -> PathBuf {
        self.server.path(key)
    }

    /// A path on the same file system, outside of the bucket.
    fn elsewhere(&self, name: &str) -> PathBuf {
        self.server.home().join("elsewhere").join(name)
    }

    /// Lists what begins with `prefix`, in one of the ways there are, and compares with the disk.
    #[track_caller]
    fn check(&self, prefix: &str, what: &str) {
        let operation = Operation::ALL[self.below(3)];
        let delimiter = ["", "/"][self.below(2)];
        let query = Query { operation, delimiter, ..Query::of(prefix) };
        let page = query.page(&mut self.connection.borrow_mut(), &self.server, "");
        let (mut objects, mut prefixes) = (BTreeMap::new(), Vec::new());
        for (key, of) in on_disk(&self.path(""), prefix) {
            match key[prefix.len()..].find('/').filter(|_| !delimiter.is_empty()) {
                None => _ = objects.insert(key, of),
                Some(slash) => prefixes.push(key[..=prefix.len() + slash].to_owned()),
            }
        }
        prefixes.dedup();
        assert!(objects.len() + prefixes.len() <= 1000, "{prefix:?} is too much for a page");
        let listed = page.objects.iter();
        let listed = listed.map(|(key, of)| (key.clone(), (of.size, of.modified.clone())));
        let (listed, place) = (listed.collect::<BTreeMap<_, _>>(), self.server.home());
        for (key, of) in &objects {
            assert_eq!(listed.get(key), Some(of), "{key:?}; {what}; {query:?} in {place:?}");
        }
        for key in listed.keys() {
            assert!(objects.contains_key(key), "{key:?} is gone; {what}; {query:?} in {place:?}");
        }
        assert_eq!(page.prefixes, prefixes, "{what}; {query:?} in {place:?}");
        if let Some((key, of)) = page.objects.iter().nth(self.below(objects.len().max(1))) {
            let target = format!("/bench/{}", escape(key));
            let head = self.server.request("HEAD", &target);
            let head = head.on(&mut self.connection.borrow_mut()).expect(200);
            assert_eq!(head.header("ETag"), of.etag, "{key:?}; {what}");
        }
    }
}

/// Keys that begin with `prefix` as the disk has them now, with size and time; links are followed.
fn on_disk(bucket: &Path, prefix: &str) -> BTreeMap<String, (u64, String)> {
    let mut found = BTreeMap::new();
    collect(bucket, "", prefix, &mut found);
    found
}

fn collect(dir: &Path, at: &str, prefix: &str, found: &mut BTreeMap<String, (u64, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let key = format!("{at}{}", entry.file_name().to_str().unwrap());
        let folder = format!("{key}/");
        let may_hold = prefix.starts_with(&folder) || folder.starts_with(prefix);
        if !key.starts_with(prefix) && !may_hold {
            continue;
        }
        // A link may lead nowhere.
        let Ok(meta) = fs::metadata(entry.path()) else { continue };
        if meta.is_dir() && may_hold {
            collect(&entry.path(), &folder, prefix, found);
        } else if meta.is_file() && key.starts_with(prefix) {
            let modified = Timestamp::from(meta.modified().unwrap()).to_iso8601();
            found.insert(key, (meta.len(), modified));
        }
    }
}

/// One trial: a fresh name, and a name that is there, in one of the folders.
struct Trial<'l> {
    live: &'l Live,
    folder: &'static str,
    /// What to list: few enough keys for a page.
    prefix: String,
    old: String,
    new: String,
}

impl<'l> Trial<'l> {
    fn new(live: &'l Live) -> Self {
        let (folder, count) = [("small", 10), ("big", MANY), ("one/two", 40)][live.below(3)];
        let old = format!("{folder}/k{:04}", live.below(count));
        live.made.set(live.made.get() + 1);
        let new = format!("{old}~{}", live.made.get());
        let prefix = match folder {
            "big" => old[..old.len() - 1].to_owned(),
            _ => [folder, &folder[..2], &old, &format!("{folder}/")][live.below(4)].to_owned(),
        };
        Self { live, folder, prefix, old, new }
    }

    /// Changes something after a list that the server may have kept, and lists again. Of each
    /// key, `after` tells whether the change leaves it there.
    #[track_caller]
    fn change(&self, what: &str, after: &[(&str, bool)], change: impl FnOnce()) {
        self.live.pause(&[0, 0, 2, 8, 15, 21, 25, 40]);
        self.live.check(&self.prefix, "before the change");
        self.live.pause(&[0, 0, 0, 1, 5, 10]);
        change();
        for (key, is_there) in after {
            assert_eq!(self.live.path(key).is_file(), *is_there, "{what} did not do it");
        }
        self.live.check(&self.prefix, what);
        self.live.changes.set(self.live.changes.get() + 1);
    }

    fn old(&self) -> PathBuf {
        self.live.path(&self.old)
    }

    fn new_path(&self) -> PathBuf {
        self.live.path(&self.new)
    }

    /// A key in a folder with the fresh name.
    fn within(&self, name: &str) -> String {
        format!("{}/{name}", self.new)
    }

    /// Bytes of another length than those of the old file.
    fn other_size(&self) -> Vec<u8> {
        vec![b'y'; (fs::metadata(self.old()).unwrap().len() as usize + 1) % 50 + 1]
    }

    fn file(&self) {
        self.change("made", &[(&self.new, true)], || fs::write(self.new_path(), "new").unwrap());
        let other = format!("{}!", self.new);
        self.change("renamed", &[(&self.new, false), (&other, true)], || {
            fs::rename(self.new_path(), self.live.path(&other)).unwrap();
        });
        let moved = "small/moved~";
        self.change("moved", &[(moved, true), (&other, false)], || {
            fs::rename(self.live.path(&other), self.live.path(moved)).unwrap();
        });
        self.change("removed", &[(moved, false)], || {
            fs::remove_file(self.live.path(moved)).unwrap();
        });
    }

    fn overwritten(&self) {
        let bytes = self.other_size();
        self.change("overwritten", &[], || fs::write(self.old(), bytes).unwrap());
        let (bytes, beside) = (self.other_size(), self.live.elsewhere("beside"));
        fs::write(&beside, bytes).unwrap();
        self.change("replaced", &[], || fs::rename(beside, self.old()).unwrap());
        let held = fs::File::options().append(true).open(self.old()).unwrap();
        self.change("appended by one that had it open", &[], || {
            std::io::Write::write_all(&mut &held, b"more").unwrap();
        });
        self.change("cut", &[], || held.set_len(1).unwrap());
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        self.change("touched", &[], || held.set_modified(time).unwrap());
    }

    fn folder(&self) {
        let (one, two) = (self.within("one"), self.within("sub/two"));
        self.change("folder made", &[(&one, true)], || {
            fs::create_dir(self.new_path()).unwrap();
            fs::write(self.live.path(&one), "1").unwrap();
        });
        self.change("folder made in it", &[(&two, true)], || {
            fs::create_dir(self.live.path(&self.within("sub"))).unwrap();
            fs::write(self.live.path(&two), "22").unwrap();
        });
        let other = format!("{}!", self.new);
        self.change("folder renamed", &[(&one, false), (&format!("{other}/one"), true)], || {
            fs::rename(self.new_path(), self.live.path(&other)).unwrap();
        });
        self.change("file in it made", &[(&format!("{other}/three"), true)], || {
            fs::write(self.live.path(&other).join("three"), "333").unwrap();
        });
        self.change("folder moved out", &[(&format!("{other}/one"), false)], || {
            fs::rename(self.live.path(&other), self.live.elsewhere("d")).unwrap();
        });
        fs::remove_file(self.live.elsewhere("d/one")).unwrap();
        fs::write(self.live.elsewhere("d/sub/four"), "4444").unwrap();
        let after = [(self.within("one"), false), (self.within("sub/four"), true)];
        let after = after.each_ref().map(|(key, is_there)| (key.as_str(), *is_there));
        self.change("folder moved in", &after, || {
            fs::rename(self.live.elsewhere("d"), self.new_path()).unwrap();
        });
        self.change("folder removed", &[(&two, false)], || {
            fs::remove_dir_all(self.new_path()).unwrap();
        });
    }

    fn link(&self) {
        let up = "../".repeat(self.folder.split('/').count());
        self.change("link to a file made", &[(&self.new, true)], || {
            symlink(format!("{up}target/k0000"), self.new_path()).unwrap();
        });
        self.change("target of the link overwritten", &[], || {
            fs::write(self.live.path("target/k0000"), self.other_size()).unwrap();
        });
        let inside = self.within("k0001");
        self.change("link led to a folder", &[(&self.new, false), (&inside, true)], || {
            let beside = self.live.elsewhere("link");
            symlink(format!("{up}target"), &beside).unwrap();
            fs::rename(beside, self.new_path()).unwrap();
        });
        self.change("file in the target made", &[(&self.within("more"), true)], || {
            fs::write(self.live.path("target/more"), "").unwrap();
        });
        self.change("file in the target removed", &[(&self.within("more"), false)], || {
            fs::remove_file(self.live.path("target/more")).unwrap();
        });
        self.change("link removed", &[(&inside, false)], || {
            fs::remove_file(self.new_path()).unwrap();
        });
    }

    fn exchanged(&self) {
        let (a, b) = (self.new_path(), self.live.path(&format!("{}!", self.new)));
        fs::create_dir(&b).unwrap();
        fs::write(b.join("in it"), "b").unwrap();
        self.change("file made", &[(&self.new, true)], || fs::write(&a, "a").unwrap());
        let after = [(self.within("in it"), true), (format!("{}!", self.new), true)];
        let after = after.each_ref().map(|(key, is_there)| (key.as_str(), *is_there));
        self.change("file and folder exchanged", &after, || {
            renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
        });
        self.change("file in the place of a folder", &[(&self.new, true)], || {
            fs::remove_dir_all(&a).unwrap();
            fs::rename(&b, &a).unwrap();
        });
        self.change("folder in the place of a file", &[(&self.within("x"), true)], || {
            fs::remove_file(&a).unwrap();
            fs::create_dir(&a).unwrap();
            fs::write(a.join("x"), "x").unwrap();
        });
        self.change("removed", &[(&self.within("x"), false)], || fs::remove_dir_all(&a).unwrap());
    }
}

fn one_change(runtime: &Runtime) {
    // Whatever was made, removed, renamed, moved, overwritten or linked, file or folder, in a small
    // folder, a large one, or a deep one, shows in the very next list as the disk has it.
    everywhere(*runtime, three_folders, |live| {
        let kinds = [Trial::file, Trial::overwritten, Trial::folder, Trial::link, Trial::exchanged];
        for kind in kinds.iter().cycle().take_while(|_| live.changes.get() < trials(125)) {
            kind(&Trial::new(live));
        }
    });
}

fn bursts(runtime: &Runtime) {
    // Changes without pauses, closer than the clock of the file system ticks, hide nothing.
    everywhere(*runtime, three_folders, |live| {
        for _ in 0..trials(100) {
            let folder = ["small", "big", "one/two"][live.below(3)];
            for _ in 0..1 + live.below(3) * live.below(4) {
                let path = live.path(&format!("{folder}/k00~{}", live.below(20)));
                let other = live.path(&format!("{folder}/k00~{}", live.below(20)));
                match live.below(3) {
                    0 => _ = fs::remove_file(&path),
                    1 => _ = fs::rename(&path, &other),
                    _ => fs::write(&path, &[b'z'; 40][..live.below(40)]).unwrap(),
                }
            }
            live.check(&format!("{folder}/k00"), "a burst");
        }
    });
}

fn folders_made_again(runtime: &Runtime) {
    // A folder that is removed and made again at once with the same name, and maybe the same
    // inode, holds what it holds now.
    let nothing = |_: &Path| {};
    everywhere(*runtime, nothing, |live| {
        for at in 0..trials(40) {
            let prefix = ["again", "again/", "again/in/", ""][live.below(4)];
            live.pause(&[0, 5, 21, 25, 40]);
            live.check(prefix, "before it is removed");
            live.pause(&[0, 0, 1]);
            fs::remove_dir_all(live.path("again")).ok();
            for folder in ["again", "again/in"] {
                fs::create_dir(live.path(folder)).unwrap();
                for name in 0..40 + live.below(20) {
                    fs::write(live.path(folder).join(format!("{}-{name}", at % 5)), "").unwrap();
                }
            }
            live.check(prefix, "made again");
        }
    });
}

fn whole_bucket_replaced(runtime: &Runtime) {
    // The folder that the path of the bucket names now is the bucket, whatever became of the old.
    let one = |bucket: &Path| fs::write(bucket.join("first"), "").unwrap();
    everywhere(*runtime, one, |live| {
        let (bucket, beside) = (live.path(""), live.elsewhere("bucket"));
        for at in 0..trials(20) {
            fs::create_dir(&beside).unwrap();
            for name in 0..[1, 50][live.below(2)] {
                fs::create_dir_all(beside.join(format!("{at}"))).unwrap();
                fs::write(beside.join(format!("{at}/{name}")), "").unwrap();
                fs::write(beside.join(format!("{name}-{}", at % 3)), vec![0; at % 7]).unwrap();
            }
            live.pause(&[0, 5, 21, 30]);
            live.check("", "before it is replaced");
            match live.below(3) {
                0 => renameat_with(CWD, &bucket, CWD, &beside, RenameFlags::EXCHANGE).unwrap(),
                1 => {
                    fs::remove_dir_all(&bucket).unwrap();
                    fs::rename(&beside, &bucket).unwrap();
                }
                _ => {
                    fs::rename(&bucket, live.elsewhere("old")).unwrap();
                    fs::rename(&beside, &bucket).unwrap();
                    // The old one lives on, and is no concern of the bucket.
                    fs::write(live.elsewhere("old/later"), "").unwrap();
                }
            }
            live.check("", "the bucket is another folder");
            fs::write(bucket.join("after"), "").unwrap();
            live.check("", "a file is made in the new one");
            for old in [&beside, &live.elsewhere("old")].into_iter().filter(|old| old.exists()) {
                fs::remove_dir_all(old).unwrap();
            }
        }
    });
}

fn written_by_another_name(runtime: &Runtime) {
    // A file with a second name outside of the bucket, or one that somebody still has open by a
    // name that is gone, has its size and time of now, though nothing in the folder was touched.
    everywhere(*runtime, three_folders, |live| {
        for at in 0..trials(10) {
            let trial = Trial::new(live);
            let outside = live.elsewhere("hard");
            fs::write(&outside, "1").unwrap();
            trial.change("second name made", &[(&trial.new, true)], || {
                fs::hard_link(&outside, trial.new_path()).unwrap();
            });
            trial.change("written by the other name", &[], || {
                fs::write(&outside, vec![b'2'; 2 + at % 9]).unwrap();
            });
            let held = fs::File::options().append(true).open(&outside).unwrap();
            fs::remove_file(&outside).unwrap();
            trial.change("written by a name that is gone", &[], || {
                std::io::Write::write_all(&mut &held, b"3333333333333").unwrap();
            });
            fs::remove_file(trial.new_path()).unwrap();
        }
    });
}

fn more_than_is_told(runtime: &Runtime) {
    // More changes at once than the kernel queues events for (16,384) hide nothing, neither in the
    // next list nor in those after it.
    everywhere(*runtime, three_folders, |live| {
        for round in 0..trials(1) {
            live.pause(&[100]);
            live.check("one/two/", "before more than is told");
            live.server.send_signal(Signal::STOP);
            // Each rename is told twice.
            let names = ["big/k0000", "big/burst~"].map(|name| live.path(name));
            for at in 0..9_001 {
                fs::rename(&names[(round + at) % 2], &names[(round + at + 1) % 2]).unwrap();
            }
            fs::write(live.path(&format!("one/two/last~{round}")), "x").unwrap();
            fs::remove_file(live.path(&format!("one/two/k{:04}", round % 40))).unwrap();
            live.server.send_signal(Signal::CONT);
            live.check("one/two/", "more than is told");
            live.check("big/burst", "more than is told");
            for at in 0..20 {
                fs::write(live.path(&format!("one/two/k{:04}", round % 40)), "again").unwrap();
                live.check("one/two/", "after it");
                fs::write(live.path(&format!("big/burst~{}", at % 2)), &[b'x'; 20][..at]).unwrap();
                live.check("big/burst", "after it");
                live.pause(&[0, 1, 10, 25]);
            }
        }
    });
}
