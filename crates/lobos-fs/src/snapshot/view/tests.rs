//! Views are held against a model: a map from names to what they are.

use super::super::Names;
use super::*;
use lobos_proto::{ETag, Timestamp};

use fastrand::Rng;

fn view(names: &[&str], with_attrs: bool) -> View {
    let mut read = Names::default();
    for name in names {
        match name.strip_suffix('/') {
            Some(name) => read.push(name, "/", Kind::Folder).unwrap(),
            None => read.push(name, "", Kind::File).unwrap(),
        }
    }
    let snapshot = read.sort();
    let attrs = vec![attr(1); if with_attrs { snapshot.len() } else { 0 }];
    View::new(Arc::new(snapshot.with_attrs(attrs.into())))
}

fn attr(size: u64) -> Attr {
    Attr::file(size, Timestamp { nanos: 1 }, &ETag::opaque(1, 2))
}

fn touch(name: &str, what: What) -> Touch {
    let is_folder = name.ends_with('/');
    Touch { name: name.trim_end_matches('/').into(), is_folder, what }
}

fn entries(view: &View) -> Vec<(String, Kind, bool)> {
    let (mut at, mut all) = (At::default(), Vec::new());
    while let Some(entry) = view.entry(&mut at, view.end()) {
        assert_eq!(view.c_name(at).to_str(), Ok(entry.name));
        let before = view.partition(|name| name < entry.name.as_bytes());
        let mut found = before;
        assert_eq!(view.entry(&mut found, view.end()).map(|e| e.name), Some(entry.name));
        all.push((entry.name.to_owned(), entry.kind, entry.attr.is_known()));
        at = view.behind(at);
    }
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    all
}

fn names(view: &View) -> Vec<String> {
    entries(view).into_iter().map(|(name, ..)| name).collect()
}

/// Looks at all names of which something was heard, as a listing does.
fn look(view: &View, is: impl Fn(&str) -> Option<Kind>) {
    let mut at = At::default();
    while let Some(entry) = view.entry(&mut at, view.end()) {
        let seen = match is(entry.name.trim_end_matches('/')) {
            None => Some(Seen::Gone),
            Some(Kind::File) => Some(Seen::File(attr(2))),
            Some(Kind::Folder) if entry.kind == Kind::Folder => Some(Seen::Folder(attr(3))),
            Some(Kind::Folder) => Some(Seen::Gone),
            Some(_) => Some(Seen::Link),
        };
        if let Some(seen) = seen.filter(|_| entry.kind != Kind::FolderLink) {
            view.saw(at, seen);
        }
        at = view.behind(at);
    }
}

#[test]
fn one_change() {
    // What was made shows in order, what is gone does not, what was altered is not known any more.
    let old = view(&["a", "c", "d/"], true);
    let made = old.touched(vec![touch("b", What::Made), touch("e/", What::Made)]);
    assert_eq!(names(&made), ["a", "b", "b/", "c", "d/", "e/"]);
    look(&made, |name| Some(if name == "e" { Kind::Folder } else { Kind::File }));
    assert_eq!(names(&made), ["a", "b", "c", "d/", "e/"]);
    let gone = made.touched(vec![touch("a", What::Gone), touch("e/", What::Gone)]);
    assert_eq!(names(&gone), ["b", "c", "d/"]);
    assert!(entries(&gone).iter().all(|(_, _, known)| *known));
    let altered = gone.touched(vec![touch("b", What::Altered), touch("c", What::Altered)]);
    let known: Vec<bool> = entries(&altered).into_iter().map(|(.., known)| known).collect();
    assert_eq!(known, [false, false, true]);
    // The views from before are what they were.
    assert_eq!((names(&old).len(), names(&made).len()), (3, 5));
}

#[test]
fn strangers() {
    // Something that was never made is not there because it was written to: an upload has no name.
    let view = view(&["a"], true).touched(vec![
        touch("#123", What::Altered),
        touch("a", What::Gone),
        touch("a", What::Altered),
        touch("b/", What::Altered),
    ]);
    assert!(names(&view).is_empty());
}

#[test]
fn links() {
    // What may be a link stands in both places until it is known to be a file.
    let view = view(&[], true).touched(vec![touch("x", What::Made)]);
    look(&view, |_| Some(Kind::FileLink));
    let kinds: Vec<Kind> = entries(&view).into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::FileLink, Kind::FolderLink]);
    let again = view.touched(vec![touch("x", What::Gone), touch("x", What::Made)]);
    look(&again, |_| Some(Kind::File));
    assert_eq!(entries(&again), [("x".to_owned(), Kind::File, true)]);
}

#[test]
fn looked_at_once() {
    // Names that something was heard of are looked at once for their two places, until they are
    // heard of again.
    let view = view(&["a"], true).touched(vec![touch("a", What::Altered), touch("b", What::Made)]);
    let looked = std::cell::RefCell::new(Vec::new());
    let look = |view: &View| {
        view.look(|name| {
            looked.borrow_mut().push(name.to_str().unwrap().to_owned());
            Some(Seen::File(attr(1)))
        });
    };
    look(&view);
    look(&view);
    assert_eq!(names(&view), ["a", "b"]);
    look(&view.touched(vec![touch("b", What::Altered)]));
    assert_eq!(*looked.borrow(), ["a", "b", "b"]);
}

#[test]
fn model() {
    // After any history, with looking or without, a view has the names that are there and no
    // others, however often changes were merged with what was read; and all are known after
    // they were looked at.
    for seed in 1..=60 {
        let mut dice = Rng::with_seed(seed * 0x9e37_79b9);
        let start: Vec<String> = (0..dice.u64(..40)).map(|n| format!("{n:02}")).collect();
        let read: Vec<&str> = start.iter().map(String::as_str).collect();
        let mut view = view(&read, seed % 2 == 0);
        let file = |name: &String| (name.clone(), Kind::File);
        let mut model: BTreeMap<String, Kind> = start.iter().map(file).collect();
        for _ in 0..40 {
            let batch = 1 + dice.u64(..if seed % 5 == 0 { 400 } else { 20 });
            let mut touches = Vec::new();
            for _ in 0..batch {
                let name = format!("{:02}", dice.u64(..3000));
                let old = model.get(&name).copied();
                let is_folder = dice.u64(..3) == 0;
                let slash = |is: bool| if is { format!("{name}/") } else { name.clone() };
                if let Some(kind) = old {
                    let what = if dice.u64(..3) > 0 { What::Gone } else { What::Altered };
                    touches.push(touch(&slash(kind == Kind::Folder), what));
                    if what == What::Gone {
                        model.remove(&name);
                    }
                } else {
                    touches.push(touch(&slash(is_folder), What::Made));
                    model.insert(name, if is_folder { Kind::Folder } else { Kind::File });
                }
            }
            view = view.touched(touches);
            if dice.u64(..2) == 0 {
                look(&view, |name| model.get(name).copied());
                let expected: Vec<String> = {
                    let slash = |(name, kind): (&String, &Kind)| match kind {
                        Kind::Folder => format!("{name}/"),
                        _ => name.clone(),
                    };
                    let mut all: Vec<_> = model.iter().map(slash).collect();
                    all.sort_unstable();
                    all
                };
                assert_eq!(names(&view), expected, "seed {seed}");
            }
        }
        let merged = view.touched(Vec::new());
        look(&merged, |name| model.get(name).copied());
        let most = CHANGES + merged.len() / SHARE;
        assert!(merged.touched(Vec::new()).changed() <= most, "seed {seed}");
    }
}
