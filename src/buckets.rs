//! Which folder is which bucket: the names that `--dir` gives and those that folders have.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lobos_fs::Layout;
use lobos_proto::BucketName;

use crate::cli::{BucketDir, Flags};

/// The folders to serve, with absolute paths.
///
/// # Errors
/// One line for the user: a folder is missing or cannot be read, a name cannot be one or stands
/// twice.
pub(crate) fn layout(flags: &Flags) -> Result<Layout, String> {
    if let Some(root) = &flags.root {
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

/// The real path of a folder, so that `.`, `..` and a trailing slash have a name.
fn folder(given: &Path) -> Result<PathBuf, String> {
    let shown = given.display();
    let path = given.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("no such folder: {shown}"),
        ErrorKind::PermissionDenied => format!("no permission to open {shown}"),
        ErrorKind::NotADirectory => format!("not a folder: {shown}"),
        _ => format!("cannot open {shown}: {error}"),
    })?;
    if path.is_dir() { Ok(path) } else { Err(format!("not a folder: {shown}")) }
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
        assert_eq!(error(&[&at("none")]), format!("no such folder: {path}/none"));
        assert_eq!(error(&[&at("file")]), format!("not a folder: {path}/file"));
        assert_eq!(error(&[&at("file/x")]), format!("not a folder: {path}/file/x"));
        assert!(error(&[&at("photos"), &at("a/photos")]).contains("both be the bucket 'photos'"));
        assert!(error(&[&at(".hidden")]).contains("--dir NAME="));
        assert!(error(&["/"]).contains("--dir NAME=/"));
        assert!(dirs(&[&at("photos"), &format!("b={path}/photos")]).is_ok());
    }
}
