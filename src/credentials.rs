//! The key pairs that may sign requests: from the flags and from a file.

use std::fmt;
use std::path::Path;

use lobos_proto::Credentials;

use crate::cli::Flags;

/// A secret of a flag or a variable: never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Whether a flag or variable names any key pair; empty variables count as not set.
pub(crate) fn wanted(flags: &Flags) -> bool {
    let access = flags.access_key.as_ref().is_some_and(|key| !key.is_empty());
    let secret = flags.secret_key.as_ref().is_some_and(|Secret(secret)| !secret.is_empty());
    access || secret || flags.credentials.as_ref().is_some_and(|file| !file.as_os_str().is_empty())
}

/// All key pairs.
///
/// # Errors
/// One line for the user, without any secret.
pub(crate) fn all(flags: &Flags) -> Result<Vec<Credentials>, String> {
    let mut pairs = Vec::new();
    let access = flags.access_key.as_deref().unwrap_or_default();
    let secret = flags.secret_key.as_ref().map_or("", |Secret(secret)| secret);
    match (access, secret) {
        ("", "") => {}
        ("", _) | (_, "") => return Err("--access-key and --secret-key go together".into()),
        (access, secret) => {
            let pair = pair(access, secret).ok_or("the --access-key must be one word")?;
            pairs.push(pair);
        }
    }
    if let Some(file) = flags.credentials.as_deref().filter(|file| !file.as_os_str().is_empty()) {
        pairs.append(&mut read(file)?);
    }
    let mut names: Vec<_> = pairs.iter().map(|pair| pair.access_key.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
        return Err(format!("the access key '{}' is given twice", twice[0]));
    }
    Ok(pairs)
}

/// The file has a pair `ACCESS:SECRET` on each line; empty lines and those after a `#` are none.
/// With `:ro` at its end the pair may only read; `:rw` says that it may do all. A secret that has
/// a colon itself needs one of the two: nobody shall guess what the last word is.
fn read(file: &Path) -> Result<Vec<Credentials>, String> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|e| format!("cannot read {name}: {e}"))?;
    let mut pairs = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pair = entry(line).ok_or_else(|| {
            let line = number + 1;
            format!("line {line} of {name} is not ACCESS:SECRET or ACCESS:SECRET:ro (or :rw)")
        })?;
        pairs.push(pair);
    }
    if pairs.is_empty() {
        return Err(format!("there is no line ACCESS:SECRET in {name}"));
    }
    Ok(pairs)
}

fn entry(line: &str) -> Option<Credentials> {
    let (access, rest) = line.split_once(':')?;
    let (secret, read_only) = match rest.rsplit_once(':') {
        None => (rest, false),
        Some((secret, "ro")) => (secret, true),
        Some((secret, "rw")) => (secret, false),
        Some(_) => return None,
    };
    pair(access, secret).map(|pair| Credentials { read_only, ..pair })
}

fn pair(access: &str, secret: &str) -> Option<Credentials> {
    let word = |c: char| !c.is_whitespace() && !c.is_control() && c != ',' && c != ':';
    let fits = !access.is_empty() && access.chars().all(word) && !secret.is_empty();
    let (access_key, secret_key) = (access.to_owned(), secret.to_owned());
    fits.then_some(Credentials { access_key, secret_key, read_only: false })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn found(args: &[&str]) -> Result<Vec<(String, String)>, String> {
        let flags = Flags::parse_from([&["lobos", "--dir", "photos"], args].concat());
        assert_eq!(wanted(&flags), !args.is_empty());
        let pairs = all(&flags)?;
        Ok(pairs.into_iter().map(|pair| (pair.access_key, pair.secret_key)).collect())
    }

    fn pairs(list: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        Ok(list.iter().map(|(a, s)| ((*a).to_owned(), (*s).to_owned())).collect())
    }

    #[test]
    fn flags() {
        // A pair is both flags or none; an access key is one word.
        assert_eq!(found(&[]), pairs(&[]));
        assert_eq!(
            found(&["--access-key", "A", "--secret-key", "S:1 #"]),
            pairs(&[("A", "S:1 #")])
        );
        for half in [&["--access-key", "A"], &["--secret-key", "hidden"]] {
            let error = found(half).unwrap_err();
            assert!(error.contains("go together") && !error.contains("hidden"), "{error}");
        }
        for word in ["a b", "a:b", "a,b", "a\n"] {
            assert!(found(&["--access-key", word, "--secret-key", "hidden"]).is_err(), "{word}");
        }
    }

    #[test]
    fn files() {
        // A file adds its pairs; what is wrong with it is said with the line and no secret.
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("keys");
        let path = file.to_str().unwrap();
        let read = |text: &str, args: &[&str]| {
            std::fs::write(&file, text).unwrap();
            found(&[&["--credentials", path], args].concat())
        };
        assert_eq!(read("# mine\n\nA:S\r\n B/x:st \n", &[]), pairs(&[("A", "S"), ("B/x", "st")]));
        let both = read("A:S", &["--access-key", "B", "--secret-key", "T"]);
        assert_eq!(both, pairs(&[("B", "T"), ("A", "S")]));
        let twice = read("A:hidden", &["--access-key", "A", "--secret-key", "T"]);
        assert_eq!(twice, Err("the access key 'A' is given twice".to_owned()));
        for bad in [
            "A:S\nhidden",
            "A:S\n:hidden",
            "A:S\nA:",
            "A:S\nhid den:x",
            "A:S\nB:hidden:RO",
            "A:S\nB:hid:den",
            "A:S\nB:hidden:",
            "A:S\nB::ro",
        ] {
            let error = read(bad, &[]).unwrap_err();
            assert!(error.starts_with("line 2 of ") && !error.contains("hid"), "{error}");
        }
        assert!(read("# none\n", &[]).unwrap_err().contains("no line"));
        std::fs::remove_file(&file).unwrap();
        assert!(found(&["--credentials", path]).unwrap_err().starts_with("cannot read "));
    }

    #[test]
    fn rights() {
        // A key of a file may only read if its line says so, whatever its secret looks like.
        for (line, secret, read_only) in [
            ("A:S", "S", false),
            ("A:S:ro", "S", true),
            ("A:S:rw", "S", false),
            ("A:s:t:ro", "s:t", true),
            ("A:s:ro:rw", "s:ro", false),
            ("A:ro", "ro", false),
        ] {
            let pair = entry(line).unwrap();
            assert_eq!((pair.secret_key.as_str(), pair.read_only), (secret, read_only), "{line}");
        }
        for bad in ["A", "A:", ":S", "A:s:t", "A::ro", "A:S:", "A:S:r"] {
            assert!(entry(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn hidden() {
        // Whoever prints the flags or the pairs does not print a secret.
        let args = ["lobos", "--dir", "d", "--access-key", "A", "--secret-key", "hidden"];
        let flags = Flags::parse_from(args);
        assert!(!format!("{flags:?} {:?}", all(&flags)).contains("hidden"));
    }
}
