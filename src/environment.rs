//! What the environment says where flags do not: the folders, and what MinIO calls otherwise.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, TypedValueParser};

use crate::cli::{BucketDir, Flags};
use crate::{credentials, minio};

impl Flags {
    /// Takes the folders from LOBOS_DIR, LOBOS_ROOT or LOBOS_TEMP if no flag names any, and what is
    /// open then from MinIO's variables. clap would split the flags at commas, too, and find the
    /// variables in conflict with the flags.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn with_environment(
        mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        let filled = |name: &str| filled(&variable, name);
        if self.dir.is_empty() && self.root.is_none() && !self.temp {
            let (dirs, root) = (filled("LOBOS_DIR"), filled("LOBOS_ROOT"));
            let temp = filled("LOBOS_TEMP").is_some_and(|value| is_true(&value));
            if [dirs.is_some(), root.is_some(), temp].into_iter().filter(|set| *set).count() > 1 {
                return Err("only one of LOBOS_DIR, LOBOS_ROOT and LOBOS_TEMP can be set".into());
            }
            for dir in dirs.iter().flat_map(split) {
                self.dir.push(BucketDir::parse(dir).map_err(|why| format!("LOBOS_DIR: {why}"))?);
            }
            self.root = root.map(PathBuf::from);
            self.temp = temp;
        }
        minio::Variables::new(&filled).complete(&mut self)?;
        // An image sets this for those who bring no keys; who brings some wants them asked for.
        let open = filled("LOBOS_NO_AUTH").is_some_and(|value| is_true(&value));
        self.no_auth |= open && !credentials::wanted(&self);
        Ok(self)
    }

    /// Takes only where a server with these variables listens.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn with_address(
        mut self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, String> {
        let filled = |name: &str| filled(&variable, name);
        minio::Variables::new(&filled).address(&mut self)?;
        Ok(self)
    }
}

/// An empty variable counts as none.
fn filled(variable: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    variable(name).filter(|value| !value.is_empty())
}

/// As clap reads the other variables of flags without a value.
fn is_true(value: &OsString) -> bool {
    let parser = FalseyValueParser::new();
    parser.parse_ref(&clap::Command::new("lobos"), None, value).unwrap_or(false)
}

/// The pieces between commas.
fn split(list: &OsString) -> Vec<OsString> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let pieces = list.as_bytes().split(|b| *b == b',').filter(|piece| !piece.is_empty());
    pieces.map(|piece| OsString::from_vec(piece.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The flags with these variables.
    fn found(args: &[&str], variables: &[(&str, &str)]) -> Result<Flags, String> {
        let flags = Flags::parse_from([&["lobos"], args].concat());
        flags.with_environment(|asked| {
            let found = variables.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn open_to_all() {
        // LOBOS_NO_AUTH lets everyone in only where there are no keys, whoever brings those;
        // with the flag, keys are a mistake.
        let open = |args: &[&str], more: &[(&str, &str)]| {
            let flags = found(&[&["--temp"], args].concat(), more)?;
            flags.check().map(|()| (flags.no_auth, credentials::wanted(&flags)))
        };
        let minio = [("MINIO_ROOT_USER", "a"), ("MINIO_ROOT_PASSWORD", "b")];
        let keys = &["--access-key=a", "--secret-key=b"];
        for (value, is_open) in [("1", true), ("true", true), ("", false), ("0", false)] {
            let variable = ("LOBOS_NO_AUTH", value);
            assert_eq!(open(&[], &[variable]), Ok((is_open, false)), "{value:?}");
            assert_eq!(open(keys, &[variable]), Ok((false, true)), "{value:?}");
            let more = [&minio[..], &[variable]].concat();
            assert_eq!(open(&[], &more), Ok((false, true)), "{value:?}");
        }
        assert_eq!(open(&["--no-auth"], &minio), Ok((true, false)));
        assert!(open(&[&["--no-auth"][..], keys].concat(), &[]).is_err());
    }

    #[test]
    fn folders() {
        // LOBOS_DIR, LOBOS_ROOT and LOBOS_TEMP count only where no flag names a folder.
        let names = |flags: Flags| flags.dir.into_iter().map(|d| d.dir).collect::<Vec<_>>();
        let flags = found(&[], &[("LOBOS_DIR", "a,b=c,")]).unwrap();
        assert_eq!(names(flags), [PathBuf::from("a"), PathBuf::from("c")]);
        let root = &[("LOBOS_ROOT", "r")][..];
        assert_eq!(found(&[], root).unwrap().root, Some("r".into()));
        let flags = found(&["--dir", "photos"], root).unwrap();
        assert_eq!((flags.root.clone(), names(flags)), (None, vec!["photos".into()]));
        let flags = found(&["--temp"], root).unwrap();
        assert_eq!((flags.root, flags.temp), (None, true));
        assert!(found(&[], &[("LOBOS_TEMP", "1")]).unwrap().temp);
        for none in ["", "0", "false", "no"] {
            assert!(!found(&[], &[("LOBOS_TEMP", none)]).unwrap().temp, "{none}");
            assert_eq!(
                found(&[], &[("LOBOS_TEMP", none), root[0]]).unwrap().root,
                Some("r".into())
            );
        }
        for two in ["LOBOS_DIR", "LOBOS_TEMP"] {
            let error = found(&[], &[(two, "1"), root[0]]).unwrap_err();
            assert!(error.contains("only one of"), "{error}");
        }
        assert!(found(&[], &[("LOBOS_DIR", "=x")]).is_err());
        assert!(found(&[], &[("LOBOS_DIR", ""), ("LOBOS_ROOT", "")]).unwrap().check().is_err());
    }
}
