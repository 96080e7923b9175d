//! Reads the flags; what is wrong with them is said by clap, and here what may have been meant.

use std::ffi::OsString;
use std::path::Path;
use std::process;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::cli::Flags;

/// The flags of this process. Ends it if they are wrong, and after `--help`.
pub(crate) fn parse() -> Flags {
    read(std::env::args_os()).unwrap_or_else(|(error, hint)| {
        let code = error.exit_code();
        let _ = error.print();
        if let Some(hint) = hint {
            crate::report::say(&hint);
        }
        process::exit(code)
    })
}

fn read(args: impl Iterator<Item = OsString>) -> Result<Flags, (Error, Option<String>)> {
    Flags::try_parse_from(args).map_err(|error| {
        let hint = hint(&error);
        (error, hint)
    })
}

fn hint(error: &Error) -> Option<String> {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let word = match error.kind() {
        ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict => {
            said(ContextKind::InvalidSubcommand)?
        }
        ErrorKind::UnknownArgument => said(ContextKind::InvalidArg)?,
        _ => return None,
    };
    let flag = word.split('=').next().unwrap_or(word);
    match flag {
        "--address" | "--bind" | "--addr" => Some("did you mean --listen and --port?".into()),
        "--console-address" => {
            Some("the page for people is on the port of S3: leave it out".into())
        }
        "server" | "serve" | "start" => Some("it needs no such word: lobos --root DIR".into()),
        _ if !word.starts_with('-') && (word.contains('/') || Path::new(word).exists()) => {
            Some(format!("to serve that folder: lobos --dir {word}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_of(args: &[&str]) -> Option<String> {
        let args = ["lobos"].iter().chain(args).map(OsString::from);
        read(args).unwrap_err().1
    }

    #[test]
    fn hints() {
        // A folder without its flag, and words of other servers, lead to the flag of Lobos.
        for (args, words) in [
            (&["src"][..], "lobos --dir src"),
            (&["/none/photos"], "lobos --dir /none/photos"),
            (&["--dir", "src", "tests"], "lobos --dir tests"),
            (&["server", "/data"], "lobos --root DIR"),
            (&["--address", ":9000"], "--listen and --port"),
            (&["--console-address=:9001"], "page for people"),
        ] {
            let hint = hint_of(args).unwrap_or_default();
            assert!(hint.contains(words), "{args:?}: {hint}");
        }
        for args in [&["--unheard-of"][..], &["stray"], &["--port", "x"], &["--help"]] {
            assert_eq!(hint_of(args), None, "{args:?}");
        }
    }
}
