//! What `--generate` prints: the man page, and completions for shells. Both are made of the flags
//! themselves, so they say what this very program takes.

use std::io::{self, Write, stdout};

use clap::{Arg, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Flags;

/// The value of `--generate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Generated {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

/// Prints it on stdout.
///
/// # Errors
/// One line for the user.
pub(crate) fn print(wanted: Generated) -> Result<(), String> {
    let text = text(wanted).map_err(|e| format!("cannot generate: {e}"))?;
    stdout().write_all(&text).map_err(|e| format!("cannot write: {e}"))
}

fn text(wanted: Generated) -> io::Result<Vec<u8>> {
    let shell = match wanted {
        Generated::Man => return man(Flags::command()),
        Generated::CompleteBash => Shell::Bash,
        Generated::CompleteZsh => Shell::Zsh,
        Generated::CompleteFish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Flags::command(), "lobos", &mut text);
    Ok(if shell == Shell::Fish { values_too(&text) } else { text })
}

/// clap's script offers the values of a flag only where no subcommand can stand: its look for one
/// fails while a flag still wants its value, and then there is none yet.
fn values_too(script: &[u8]) -> Vec<u8> {
    let script = String::from_utf8_lossy(script);
    let look = "-- $cmd 2>/dev/null\n    or return\n";
    script.replacen(look, "-- $cmd 2>/dev/null\n    or return 0\n", 1).into_bytes()
}

fn man(command: Command) -> io::Result<Vec<u8>> {
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let man = Man::new(command.mut_args(with_variable)).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    section(DESCRIPTION)(&mut page)?;
    man.render_options_section(&mut page)?;
    if Flags::command().has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    section(&examples.replacen("Examples:", "EXAMPLES", 1))(&mut page)?;
    section(SIGNALS)(&mut page)?;
    section(STATUS)(&mut page)?;
    Ok(page)
}

/// The help leaves the variables out, as one sentence says how they are called; whoever looks
/// one up in the page looks for its name.
fn with_variable(arg: Arg) -> Arg {
    let (Some(help), Some(variable)) = (arg.get_help(), arg.get_env()) else { return arg };
    let help = format!("{help} [{}]", variable.to_string_lossy());
    arg.help(help)
}

const DESCRIPTION: &str = "\
DESCRIPTION
Serves folders as S3 buckets. Objects are plain files: what is in a folder is served at once, what
a client puts is a file that anyone can open, and what changes on disk is seen by the next request.

Without keys only this machine is let in, with any credentials.";

const SIGNALS: &str = "\
SIGNALS
SIGTERM and SIGINT end the server when what is running has been answered; uploads that are half
sent get two seconds. SIGHUP reads the certificate again.";

const STATUS: &str = "\
EXIT STATUS
0 after a signal, 2 if the server could not start or a flag is wrong. healthcheck ends with 0 if a
server answers and with 1 if none does.";

/// Writes a section: its title, paragraphs, and indented lines as they are.
fn section(text: &str) -> impl FnOnce(&mut Vec<u8>) -> io::Result<()> {
    let (title, text) = text.split_once('\n').unwrap_or((text, ""));
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    let mut literal = false;
    for line in text.lines() {
        let indented = line.starts_with("  ");
        if indented != literal {
            roff.control(if indented { "EX" } else { "EE" }, []);
            literal = indented;
        }
        match line {
            "" => roff.control("PP", []),
            _ if indented => roff.text([bold(line.trim_end())]),
            _ => roff.text([roman(line)]),
        };
    }
    if literal {
        roff.control("EE", []);
    }
    move |page| roff.to_writer(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(wanted: Generated) -> String {
        String::from_utf8(text(wanted).unwrap()).unwrap()
    }

    #[test]
    fn every_flag() {
        // The page and the completions of each shell name every flag, and the page its variable.
        let man = made(Generated::Man);
        for arg in Flags::command().get_arguments().filter(|arg| !arg.is_hide_set()) {
            let name = arg.get_long().unwrap();
            let escaped = format!("--{name}").replace('-', "\\-");
            assert!(man.contains(&escaped), "{name}");
            let variable = arg.get_env().map(|env| env.to_string_lossy().into_owned());
            assert!(variable.is_none_or(|variable| man.contains(&variable)), "{name}");
            for wanted in [Generated::CompleteBash, Generated::CompleteZsh] {
                assert!(made(wanted).contains(&format!("--{name}")), "{name} in {wanted:?}");
            }
            let fish = made(Generated::CompleteFish);
            assert!(fish.contains(&format!(" -l {name} ")), "{name} in fish");
        }
    }

    #[test]
    fn sections() {
        // The page has what people look for, in the order of other pages, and examples as typed.
        let man = made(Generated::Man);
        let sections: Vec<&str> =
            man.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let sections: Vec<&str> = sections.iter().map(|title| title.trim_matches('"')).collect();
        let tail = ["EXAMPLES", "SIGNALS", "EXIT STATUS"];
        assert!(sections.starts_with(&["NAME", "SYNOPSIS", "DESCRIPTION"]), "{sections:?}");
        assert!(sections.ends_with(&tail), "{sections:?}");
        assert_eq!(man.matches(".EX").count(), man.matches(".EE").count());
        assert!(man.contains("lobos \\-\\-dir photos"), "{man}");
    }
}
