//! Where an object lives: a key becomes a path beneath its bucket, or a place aside.

use crate::alias;

/// How temporary files beside a target begin; such names are never listed and never keys.
pub(crate) const TEMP: &str = ".lobos-tmp-";

/// The longest name in a folder, in bytes.
const NAME_MAX: usize = 255;

/// What a key can be in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'k> {
    /// A file at this path.
    File(&'k str),
    /// `a/`: the folder at this path (without the slash), if it is marked as an object.
    Folder(&'k str),
    /// Nothing: it is kept aside.
    Aside,
}

/// What `key` can be.
pub(crate) fn place(key: &str) -> Place<'_> {
    let (path, folder) = match key.strip_suffix('/') {
        Some(path) => (path, true),
        None => (key, false),
    };
    let mut segments = path.split('/');
    let first_is_ours = path.split('/').next().is_some_and(|s| alias::is_folder(s.as_bytes()));
    if first_is_ours || !segments.all(is_name) {
        return Place::Aside;
    }
    if folder { Place::Folder(path) } else { Place::File(path) }
}

/// The folder that a file with this key is in, if the key is a path; "" is the root.
pub(crate) fn folder(key: &str) -> &str {
    match place(key) {
        Place::File(path) => split(path).0,
        Place::Folder(_) | Place::Aside => "",
    }
}

/// Whether an entry with this name is never an object: `.lobos`, where `at_root` of a bucket, and
/// our temporary files anywhere, in whatever spelling a file system may take for theirs.
pub(crate) fn is_ours(name: &[u8], at_root: bool) -> bool {
    (at_root && alias::is_folder(name))
        || name.starts_with(TEMP.as_bytes())
        || alias::is_temp(name)
        || alias::is_dots(name)
}

/// Splits a path into its folder ("" at the root) and its last segment.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// FNV-1a: the same in every process and version, since names on disk are made of it.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let step = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Whether a segment can be a name in a folder. Dots were refused when the key was made.
fn is_name(segment: &str) -> bool {
    let fits = !segment.is_empty() && segment.len() <= NAME_MAX;
    fits && !is_ours(segment.as_bytes(), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        // A key is a path if and only if each of its segments can be a name that is not ours.
        let fits = "x".repeat(255);
        let long = "x".repeat(256);
        let files =
            ["a", "a/b", ".x", "...", "d/.lobos", "d/.loboſ", ".lobosx", ".lobosé", "lobos"];
        for file in files.into_iter().chain([fits.as_str(), "a.lobos-tmp-"]) {
            assert_eq!(place(file), Place::File(file));
            assert_eq!(place(&format!("{file}/")), Place::Folder(file));
        }
        for aside in
            ["/", "//", "/a", "a//", "a//b", ".lobos", ".lobos/", ".LoBoS/x", ".loboſ/x", &long]
        {
            assert_eq!(place(aside), Place::Aside, "{aside}");
        }
        for aside in [".lobos-tmp-1", "a/.lobos-tmp-/b", "a/.LOBOS-TMP-1/", "a/.\u{ad}./b"] {
            assert_eq!(place(aside), Place::Aside, "{aside}");
        }
        assert_eq!(split("a/b/c"), ("a/b", "c"));
        assert_eq!(split("c"), ("", "c"));
    }

    #[test]
    fn hashes() {
        // The hash is the published FNV-1a, since names on disk are made of it.
        assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
