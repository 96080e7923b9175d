//! MinIO's variables, for what neither a flag nor a variable of Lobos says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use crate::address::Place;
use crate::cli::{self, Flags};
use crate::credentials::{self, Secret};

/// The key that may do all and its secret, by their names of today and by those before 2021. Each
/// may also name a file, with `_FILE` behind it.
const KEYS: [[&str; 2]; 2] =
    [["MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"], ["MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"]];

const VOLUMES: &str = "MINIO_VOLUMES";
const ADDRESS: &str = "MINIO_ADDRESS";
const DOMAIN: &str = "MINIO_DOMAIN";

/// The newest first.
const REGIONS: [&str; 3] = ["MINIO_SITE_REGION", "MINIO_REGION", "MINIO_REGION_NAME"];

/// Where Docker has its secrets.
const SECRETS: &str = "/run/secrets";

/// The variables of a process, without those that are empty.
pub(crate) struct Variables<'a> {
    filled: &'a dyn Fn(&str) -> Option<OsString>,
    secrets: &'a Path,
}

impl<'a> Variables<'a> {
    pub(crate) fn new(filled: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { filled, secrets: Path::new(SECRETS) }
    }

    fn text(&self, name: &str) -> Option<String> {
        (self.filled)(name).map(|value| value.to_string_lossy().into_owned())
    }

    /// What `<name>_FILE` holds, which is a path or the name of a secret of Docker; else the value
    /// of `name`, also if there is no such file.
    fn text_or_file(&self, name: &str) -> Result<Option<String>, String> {
        let (variable, plain) = (format!("{name}_FILE"), self.text(name));
        let Some(file) = (self.filled)(&variable) else { return Ok(plain) };
        let text = self.secret(&file);
        match (text, plain) {
            (Ok(text), _) => Ok(Some(text)),
            (Err(_), Some(plain)) => Ok(Some(plain)),
            (Err(why), None) => Err(format!("{variable}: cannot read {}: {why}", file.display())),
        }
    }

    /// As a shell reads it, without the ends of lines behind it.
    fn secret(&self, file: &OsStr) -> Result<String, String> {
        let here = Path::new(file);
        let path = if here.is_file() { here.to_owned() } else { self.secrets.join(here) };
        let text = fs::read_to_string(path).map_err(|why| why.to_string())?;
        match text.trim_end_matches(['\n', '\r']) {
            "" => Err("it is empty".into()),
            text => Ok(text.to_owned()),
        }
    }

    /// Takes all that the flags leave open.
    ///
    /// # Errors
    /// One line for the user, without any secret.
    pub(crate) fn complete(&self, flags: &mut Flags) -> Result<(), String> {
        if flags.dir.is_empty() && flags.root.is_none() && !flags.temp {
            flags.root = (self.filled)(VOLUMES).map(|value| volume(&value)).transpose()?;
        }
        if !credentials::wanted(flags) && !flags.no_auth {
            self.keys(flags)?;
        }
        if flags.region.is_none() {
            let found = REGIONS.into_iter().find_map(|name| Some((name, self.text(name)?)));
            let region = found.map(|(name, value)| {
                cli::region(&value).map_err(|why| format!("{name}: '{value}': {why}"))
            });
            flags.region = region.transpose()?;
            if flags.region.is_none() && flags.minio_keys.is_some() {
                // As MinIO does it.
                flags.region = Some(cli::ANY.into());
            }
        }
        if flags.host.is_empty()
            && let Some(names) = self.text(DOMAIN)
        {
            let names = names.split(',').filter(|name| !name.is_empty()).map(cli::host);
            let names = names.collect::<Result<_, _>>();
            flags.host = names.map_err(|why| format!("{DOMAIN}: {why}"))?;
        }
        self.address(flags)
    }

    fn keys(&self, flags: &mut Flags) -> Result<(), String> {
        for pair in KEYS {
            let [user, password] = pair.map(|name| self.text_or_file(name));
            match (user?, password?) {
                (None, None) => {}
                (Some(access), Some(secret)) => {
                    flags.access_key = Some(access);
                    flags.secret_key = Some(Secret::from(secret));
                    flags.minio_keys = Some(pair);
                    return Ok(());
                }
                _ => return Err(format!("{} and {} go together", pair[0], pair[1])),
            }
        }
        Ok(())
    }

    /// Takes what `MINIO_ADDRESS` says: `:9000`, `127.0.0.1:9000`, `localhost:9000`.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn address(&self, flags: &mut Flags) -> Result<(), String> {
        if !flags.listen.is_empty() && flags.port.is_some() {
            return Ok(());
        }
        let Some(value) = self.text(ADDRESS) else { return Ok(()) };
        let read = |(host, port): (&str, &str)| {
            let place = match host {
                "" => Place::Ip(Ipv4Addr::UNSPECIFIED.into()),
                host => Place::parse(host).ok().filter(|place| matches!(place, Place::Ip(_)))?,
            };
            Some((place, port.parse().ok()?))
        };
        let Some((place, port)) = value.rsplit_once(':').and_then(read) else {
            return Err(format!(
                "{ADDRESS} is '{value}', and an IP address with a port is needed: 0.0.0.0:9000"
            ));
        };
        if flags.listen.is_empty() {
            flags.listen.push(place);
        }
        flags.port.get_or_insert(port);
        Ok(())
    }
}

/// One folder; MinIO itself takes many disks, and those of other machines.
fn volume(value: &OsStr) -> Result<PathBuf, String> {
    let text = value.to_string_lossy();
    if text.contains("://") || text.contains("...") || text.split_whitespace().count() != 1 {
        return Err(format!(
            "{VOLUMES} is '{text}', and Lobos serves one folder of this machine: lobos --root DIR"
        ));
    }
    Ok(PathBuf::from(text.trim()))
}

/// Whether MinIO keeps its objects in this folder, which nobody but MinIO understands.
pub(crate) fn has_written(root: &Path) -> bool {
    root.join(".minio.sys").is_dir()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// The flags with these variables, and secrets of Docker in this folder.
    fn found_with(
        args: &[&str],
        variables: &[(&str, &str)],
        secrets: &Path,
    ) -> Result<Flags, String> {
        let mut flags = Flags::parse_from([&["lobos"], args].concat());
        let filled = |asked: &str| {
            let found = variables.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| OsString::from(value))
        };
        Variables { filled: &filled, secrets }.complete(&mut flags).map(|()| flags)
    }

    fn found(args: &[&str], variables: &[(&str, &str)]) -> Result<Flags, String> {
        found_with(args, variables, Path::new("/none"))
    }

    fn pair(flags: &Flags) -> (String, String) {
        let pair = credentials::all(flags).unwrap().remove(0);
        (pair.access_key, pair.secret_key)
    }

    #[test]
    fn keys() {
        // MinIO's variables name the keys where nothing of Lobos says who may come in; half a pair
        // is an error, and what a developer's shell has set for AWS is none of ours.
        let open = ["--temp", "--listen", "0.0.0.0"];
        for names in KEYS {
            let minio = &[(names[0], "admin"), (names[1], "hidden")][..];
            let flags = found(&open, minio).unwrap();
            assert_eq!((flags.check(), flags.minio_keys), (Ok(()), Some(names)));
            assert_eq!(pair(&flags), ("admin".into(), "hidden".into()));
            for args in [
                &["--access-key", "A", "--secret-key", "S"][..],
                &["--credentials", "file"],
                &["--no-auth"],
            ] {
                let flags = found(&[&open[..], args].concat(), minio).unwrap();
                assert!(flags.minio_keys.is_none() && flags.check().is_ok(), "{args:?}");
                assert_ne!(flags.access_key.as_deref(), Some("admin"));
            }
            for half in minio {
                let error = found(&open, &[*half]).unwrap_err();
                assert!(error.contains("go together") && !error.contains("hidden"), "{error}");
            }
        }
        let all = ["new", "n", "old", "o"];
        let names = KEYS.concat();
        let both: Vec<_> = names.iter().copied().zip(all).collect();
        assert_eq!(pair(&found(&open, &both).unwrap()), ("new".into(), "n".into()));
        let aws = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S")];
        assert!(found(&open, &aws).unwrap().check().is_err());
    }

    #[test]
    fn keys_in_files() {
        // A file is named by its path, or as a secret of Docker; the ends of its lines do not
        // count, it outranks a plain variable, and one that is missing without such a variable is
        // an error.
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("user");
        let path = path.to_str().unwrap();
        fs::write(path, "admin\n").unwrap();
        fs::write(home.path().join("word"), "hid den \r\n\n").unwrap();
        fs::write(home.path().join("empty"), "\n").unwrap();
        let found = |variables: &[(&str, &str)]| found_with(&["--temp"], variables, home.path());
        let user = ("MINIO_ROOT_USER_FILE", path);
        let word = ("MINIO_ROOT_PASSWORD_FILE", "word");
        let expected = ("admin".to_owned(), "hid den ".to_owned());
        assert_eq!(pair(&found(&[user, word]).unwrap()), expected);
        assert_eq!(pair(&found(&[user, word, ("MINIO_ROOT_USER", "other")]).unwrap()), expected);
        let mixed = found(&[("MINIO_ROOT_USER", "other"), word]).unwrap();
        assert_eq!(pair(&mixed), ("other".into(), "hid den ".into()));
        let old = [("MINIO_ACCESS_KEY_FILE", "user"), ("MINIO_SECRET_KEY_FILE", "word")];
        assert_eq!(pair(&found(&old).unwrap()), expected);
        for (name, why) in [("none", "No such file"), ("empty", "it is empty"), ("..", "directory")]
        {
            let missing = ("MINIO_ROOT_PASSWORD_FILE", name);
            let error = found(&[user, missing]).unwrap_err();
            let begin = format!("MINIO_ROOT_PASSWORD_FILE: cannot read {name}: ");
            assert!(error.starts_with(&begin) && error.contains(why), "{error}");
            let plain = found(&[user, missing, ("MINIO_ROOT_PASSWORD", "plain")]).unwrap();
            assert_eq!(pair(&plain), ("admin".into(), "plain".into()));
        }
        assert!(found(&[user]).unwrap_err().contains("go together"));
    }

    #[test]
    fn regions() {
        // The region is MinIO's where Lobos has none, and any if the keys are MinIO's, as there.
        let keys = [("MINIO_ROOT_USER", "a"), ("MINIO_ROOT_PASSWORD", "b")];
        let region = |args: &[&str], more: &[(&str, &str)]| {
            let args = [&["--temp"], args].concat();
            found(&args, &[&keys[..], more].concat()).map(|flags| flags.region().to_owned())
        };
        assert_eq!(region(&[], &[]), Ok("any".into()));
        assert_eq!(found(&["--temp"], &[]).unwrap().region(), "us-east-1");
        for name in REGIONS {
            assert_eq!(region(&[], &[(name, "eu-west-1")]), Ok("eu-west-1".into()));
            let flag = region(&["--region", "us-east-1"], &[(name, "eu-west-1")]);
            assert_eq!(flag, Ok("us-east-1".into()));
            assert!(region(&[], &[(name, "eu west")]).unwrap_err().starts_with(name));
        }
        let both = [("MINIO_REGION", "old"), ("MINIO_SITE_REGION", "new")];
        assert_eq!(region(&[], &both), Ok("new".into()));
    }

    #[test]
    fn places() {
        // Address, folder and domain are taken where flags leave them open; what only MinIO can
        // serve is an error that says what Lobos can.
        let address = |args: &[&str], value| {
            let flags = found(&[&["--temp"], args].concat(), &[(ADDRESS, value)])?;
            Ok::<_, String>((flags.listen()[0].to_string(), flags.port()))
        };
        assert_eq!(address(&[], ":9000"), Ok(("0.0.0.0".into(), 9000)));
        assert_eq!(address(&[], "127.0.0.2:9000"), Ok(("127.0.0.2".into(), 9000)));
        assert_eq!(address(&[], "localhost:9000"), Ok(("127.0.0.1".into(), 9000)));
        assert_eq!(address(&[], "[::1]:9000"), Ok(("::1".into(), 9000)));
        assert_eq!(address(&["--port", "1"], "127.0.0.2:9000"), Ok(("127.0.0.2".into(), 1)));
        assert_eq!(address(&["--listen", "::1"], ":9000"), Ok(("::1".into(), 9000)));
        for bad in ["9000", "minio:9000", ":x", "unix:9000", ":99999"] {
            assert!(address(&[], bad).unwrap_err().contains("0.0.0.0:9000"), "{bad}");
        }
        let root = |args: &[&str], value| found(args, &[(VOLUMES, value)]).map(|flags| flags.root);
        assert_eq!(root(&[], "/srv/s3 "), Ok(Some("/srv/s3".into())));
        assert_eq!(root(&["--root", "r"], "/srv/s3"), Ok(Some("r".into())));
        assert_eq!(root(&["--temp"], "/srv/s3"), Ok(None));
        for many in ["/a /b", "/disk{1...4}", "http://host/disk"] {
            assert!(root(&[], many).unwrap_err().contains("one folder"), "{many}");
        }
        let host = |args: &[&str]| found(args, &[(DOMAIN, "a.org,b.org")]).map(|flags| flags.host);
        assert_eq!(host(&["--temp"]), Ok(vec!["a.org".into(), "b.org".into()]));
        assert_eq!(host(&["--temp", "--host", "c"]), Ok(vec!["c".into()]));
        assert!(found(&["--temp"], &[(DOMAIN, "http://x")]).unwrap_err().starts_with(DOMAIN));
    }
}
