//! The root of `--temp`: a folder of its own that is removed with all that is in it.

use std::fs::{DirBuilder, remove_dir_all};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

/// What its name begins with; the process and a number follow. One that a `kill -9` left is known
/// by that.
const PREFIX: &str = "lobos-temp-";

/// Others may still be writing when it is removed.
const TRIES: u32 = 20;

/// A folder that goes when this is dropped.
#[derive(Debug)]
pub struct Temporary(PathBuf);

impl Temporary {
    /// A fresh one in `parent`, for this user alone.
    ///
    /// # Errors
    /// One line for the user.
    pub fn within(parent: &Path) -> Result<Self, String> {
        let parent = std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // In a container every process has the same number.
        let (pid, mut number) = (process::id(), since.subsec_nanos());
        loop {
            let path = parent.join(format!("{PREFIX}{pid}-{number:08x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    number = number.wrapping_add(1);
                }
                Err(error) => {
                    let parent = parent.display();
                    return Err(format!(
                        "cannot make a temporary folder in {parent}: {error}; TMPDIR names another"
                    ));
                }
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn remove(&self) -> io::Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            match remove_dir_all(&self.0) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(_) if tries < TRIES => {}
                result => return result,
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            // Nobody else can say so.
            #[allow(clippy::print_stderr, reason = "a folder stays that should not")]
            {
                eprintln!("lobos: {} stays: {error}", self.0.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn comes_and_goes() {
        // Each is a folder of its own, for its user alone, and goes with all that is in it.
        let home = tempfile::tempdir().unwrap();
        let (one, two) =
            (Temporary::within(home.path()).unwrap(), Temporary::within(home.path()).unwrap());
        assert_ne!(one.path(), two.path());
        let name = one.path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("lobos-temp-{}-", process::id())), "{name}");
        assert_eq!(fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir_all(one.path().join("a/b")).unwrap();
        fs::write(one.path().join("a/b/c"), "x").unwrap();
        drop(one);
        drop(two);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let error = Temporary::within(&home.path().join("none")).unwrap_err();
        assert!(error.contains("TMPDIR"), "{error}");
    }
}
