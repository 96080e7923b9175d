//! Which folder is which bucket: the names that `--dir` gives and those that folders have; and
//! which are made at the start.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lobos_fs::{FsStore, Layout};
use lobos_proto::op::{CreateBucket, HeadBucket};
use lobos_proto::{BucketName, Code, Request, Store as _};

use crate::cli::{BucketDir, Flags};

/// The folders to serve, with absolute paths. A root that is missing is made, but not the folder
/// that it is in.
///
/// # Errors
/// One line for the user: a folder is missing or cannot be read, a name cannot be one or stands
/// twice.
pub(crate) fn layout(flags: &Flags) -> Result<Layout, String> {
    if let Some(root) = &flags.root {
        if !flags.read_only {
            make_root(root)?;
        }
        return Ok(Layout::Root(folder(root)?));
    }
    let mut buckets: Vec<(String, PathBuf)> = Vec::new();
    for given in &flags.dir {
        let path = folder(&given.dir)?;
        let name = name(given, &path)?;
        if let Some((_, other)) = buckets.iter().find(|(n, _)| *n == name) {
            return Err(format!(
                "{} and {} would both be the bucket '{name}'; name one of them: --dir NAME=DIR",
                other.display(),
                path.display()
            ));
        }
        buckets.push((name, path));
    }
    Ok(Layout::Dirs(buckets))
}

/// Makes the buckets that the flags name, but for those that are there.
///
/// # Errors
/// One line for the user.
pub(crate) fn make(flags: &Flags, store: &FsStore) -> Result<(), String> {
    for bucket in &flags.bucket {
        let is_there = Request::HeadBucket(HeadBucket { bucket: bucket.clone() });
        if store.call(is_there).is_ok() {
            continue;
        }
        if flags.read_only && !flags.temp {
            return Err(format!(
                "there is no bucket '{bucket}', and with --read-only none is made"
            ));
        }
        let create = CreateBucket { bucket: bucket.clone(), configurations: Vec::new() };
        match store.call(Request::CreateBucket(create)) {
            Err(error) if error.code() != Code::BucketAlreadyOwnedByYou => {
                return Err(format!("cannot make the bucket '{bucket}': {error}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn make_root(root: &Path) -> Result<(), String> {
    let shown = root.display();
    match fs::create_dir(root) {
        // Whatever is wrong with something that is there is said by who opens it.
        _ if root.exists() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(format!("cannot make the folder {shown}: the one that it would be in is missing"))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(format!("there is no folder {shown}, and no permission to make it"))
        }
        Err(error) => Err(format!("cannot make the folder {shown}: {error}")),
        Ok(()) => Ok(()),
    }
}

/// The real path of a folder, so that `.`, `..` and a trailing slash have a name.
fn folder(given: &Path) -> Result<PathBuf, String> {
    let shown = given.display();
    let path = given.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("no such folder: {shown}; make it first: mkdir {shown}"),
        ErrorKind::PermissionDenied => format!("no permission to open {shown}{}", remedy(given)),
        ErrorKind::NotADirectory => not_a_folder(given),
        _ => format!("cannot open {shown}: {error}"),
    })?;
    if !path.is_dir() {
        return Err(not_a_folder(given));
    }
    match fs::read_dir(&path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(format!("no permission to read {shown}{}", remedy(&path)))
        }
        _ => Ok(path),
    }
}

fn not_a_folder(given: &Path) -> String {
    let shown = given.display();
    match given.parent() {
        Some(parent) if given.is_file() => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            format!("not a folder: {shown}; serve the folder that it is in: {}", parent.display())
        }
        _ => format!("not a folder: {shown}"),
    }
}

/// A folder that can be read and not written.
pub(crate) fn locked(path: &Path) -> String {
    let (path, why) = (path.display(), remedy(path));
    format!("uploads will be refused: {path} cannot be written (meant so: --read-only){why}")
}

/// Who could open it.
fn remedy(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let own = fs::metadata("/proc/self").map(|own| own.uid());
    match (fs::metadata(path).map(|found| (found.uid(), found.mode() & 0o7777)), own) {
        (Ok((owner, mode)), Ok(own)) => {
            format!("; it is of user {owner} with mode {mode:o}, and Lobos runs as user {own}")
        }
        _ => "; run Lobos as a user who may".into(),
    }
}

fn name(given: &BucketDir, path: &Path) -> Result<String, String> {
    if let Some(name) = &given.name {
        return Ok(name.clone());
    }
    let own = path.file_name().and_then(|name| name.to_str());
    match own.filter(|name| BucketName::new(name).is_ok()) {
        Some(name) => Ok(name.to_owned()),
        None => {
            let path = path.display();
            Err(format!("{path} has no name for a bucket; give it one: --dir NAME={path}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The layout of these values of `--dir`.
    fn dirs(values: &[&str]) -> Result<Vec<(String, PathBuf)>, String> {
        let flags = values.iter().flat_map(|value| ["--dir", value]);
        match layout(&Flags::parse_from(["lobos"].into_iter().chain(flags)))? {
            Layout::Dirs(dirs) => Ok(dirs),
            Layout::Root(_) => unreachable!("no --root was given"),
        }
    }

    #[test]
    fn names() {
        // A bucket has the name that it was given, else that of the real folder.
        let home = tempfile::Builder::new().prefix("home").tempdir().unwrap();
        let photos = home.path().canonicalize().unwrap().join("photos");
        std::fs::create_dir_all(photos.join("x")).unwrap();
        let path = photos.to_str().unwrap();
        for (value, name) in [
            (path.to_owned(), "photos"),
            (format!("{path}/"), "photos"),
            (format!("{path}/."), "photos"),
            (format!("{path}/x/.."), "photos"),
            (format!("raw={path}"), "raw"),
        ] {
            assert_eq!(dirs(&[&value]), Ok(vec![(name.into(), photos.clone())]));
        }
    }

    #[test]
    fn errors() {
        // What cannot be served is said in one line that names it.
        let home = tempfile::Builder::new().prefix("home").tempdir().unwrap();
        let path = home.path().to_str().unwrap();
        std::fs::write(home.path().join("file"), "x").unwrap();
        std::fs::create_dir_all(home.path().join("a/photos")).unwrap();
        std::fs::create_dir_all(home.path().join("photos")).unwrap();
        std::fs::create_dir(home.path().join(".hidden")).unwrap();
        let error = |values: &[&str]| dirs(values).unwrap_err();
        let at = |name: &str| format!("{path}/{name}");
        let none = format!("no such folder: {path}/none; make it first: mkdir {path}/none");
        assert_eq!(error(&[&at("none")]), none);
        let file = format!("not a folder: {path}/file; serve the folder that it is in: {path}");
        assert_eq!(error(&[&at("file")]), file);
        assert_eq!(error(&[&at("file/x")]), format!("not a folder: {path}/file/x"));
        assert!(error(&[&at("photos"), &at("a/photos")]).contains("both be the bucket 'photos'"));
        assert!(error(&[&at(".hidden")]).contains("--dir NAME="));
        assert!(error(&["/"]).contains("--dir NAME=/"));
        assert!(dirs(&[&at("photos"), &format!("b={path}/photos")]).is_ok());
    }
    #[test]
    fn roots() {
        // A root that is missing is made, but not with --read-only, and not its parents.
        let home = tempfile::tempdir().unwrap();
        let root = |name: &str, args: &[&str]| {
            let path = home.path().join(name);
            let all = [&["lobos", "--root", path.to_str().unwrap()], args].concat();
            layout(&Flags::parse_from(all))
        };
        assert!(root("new", &["--read-only"]).unwrap_err().contains("no such folder"));
        let made = Layout::Root(home.path().canonicalize().unwrap().join("new"));
        assert_eq!(root("new", &[]), Ok(made.clone()));
        assert_eq!(root("new", &[]), Ok(made));
        assert!(root("none/new", &[]).unwrap_err().contains("would be in is missing"));
        fs::write(home.path().join("file"), "x").unwrap();
        assert!(root("file", &[]).unwrap_err().starts_with("not a folder: "));
        assert!(root("file/x", &[]).unwrap_err().contains("file/x"));
    }

    #[test]
    fn made_at_the_start() {
        // Buckets that are named are there then, old ones as they were; --read-only makes none.
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("old/folder")).unwrap();
        let make = |args: &[&str]| {
            let all = [&["lobos", "--root", home.path().to_str().unwrap()], args].concat();
            let flags = Flags::parse_from(all);
            let store = FsStore::open(layout(&flags)?, lobos_fs::Options::default());
            make(&flags, &store.unwrap())
        };
        let both = ["--bucket", "old,new"];
        let error = make(&[&both[..], &["--read-only"]].concat()).unwrap_err();
        assert!(error.contains("'new'") && error.contains("--read-only"), "{error}");
        assert_eq!(make(&both), Ok(()));
        assert_eq!(make(&[&both[..], &["--read-only"]].concat()), Ok(()));
        assert!(home.path().join("new").is_dir() && home.path().join("old/folder").is_dir());
        fs::write(home.path().join("file"), "x").unwrap();
        let error = make(&["--bucket", "file"]).unwrap_err();
        assert!(error.starts_with("cannot make the bucket 'file': "), "{error}");
    }
}
