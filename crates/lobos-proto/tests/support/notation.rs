//! The notation of transcripts.
//!
//! ```text
//! -- a remark
//! !! read-only          a setting: see `Script::config`
//! >>                    the client sends the lines below
//! >> eof                the client closes its side
//! <<                    the server has sent exactly the lines below
//! ** GetObject b/k      the store was asked
//! == half-close         the server closed its side; `close`: both; `open`: it waits for more
//! ```
//! A line stands for its bytes and CRLF, or without CRLF if it ends with a backslash. `\n`, `\r`,
//! `\\`, `\xNN` are single bytes, `\{9*x}` is nine times `x`.

use std::fmt::Write;
use std::sync::Arc;

use lobos_proto::{Config, Credentials};

use super::config;
use super::driver::Event;

/// Runs of a byte from this length on are written as a count.
const RUN: usize = 24;

/// A transcript.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The words of each `!!` line.
    settings: Vec<Vec<String>>,
    /// What the client does, each with what the server is to do then.
    pub(crate) turns: Vec<Turn>,
}

/// What the client does at once.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Its lines as they stand in the file, remarks before them included.
    text: String,
    /// What it sends; `None` is the end.
    pub(crate) input: Option<Vec<u8>>,
    /// The lines that tell what the server does.
    pub(crate) answer: String,
}

impl Script {
    /// Reads a transcript.
    pub(crate) fn parse(text: &str) -> Self {
        let mut script = Self::default();
        let (mut before, mut mode) = (String::new(), ' ');
        for (number, line) in text.lines().enumerate() {
            let mark = line.get(..2).filter(|m| ["--", "!!", ">>", "<<", "**", "=="].contains(m));
            mode = mark.map_or(mode, |mark| char::from(mark.as_bytes()[0]));
            let whole = format!("{line}\n");
            match (mode, mark, script.turns.last_mut()) {
                ('-' | '!', Some(_), _) => {
                    before += &whole;
                    if mode == '!' {
                        script.settings.push(line.split(' ').skip(1).map(str::to_owned).collect());
                    }
                }
                ('>', Some(_), _) => {
                    let input = (line != ">> eof").then(Vec::new);
                    let text = std::mem::take(&mut before) + &whole;
                    script.turns.push(Turn { text, input, answer: String::new() });
                }
                ('>', None, Some(Turn { text, input: Some(input), .. })) => {
                    *text += &whole;
                    read_line(line, input).unwrap_or_else(|| panic!("line {}", number + 1));
                }
                ('<' | '*' | '=', _, Some(turn)) => turn.answer += &whole,
                _ => panic!("line {} stands nowhere", number + 1),
            }
        }
        assert!(before.is_empty(), "a remark behind everything");
        script
    }

    /// Whether a word is among the settings.
    pub(crate) fn says(&self, word: &str) -> bool {
        self.settings.iter().any(|setting| setting[0] == word)
    }

    /// The configuration that its settings make.
    pub(crate) fn config(&self) -> Arc<Config> {
        config(|config| {
            for setting in &self.settings {
                let words: Vec<_> = setting.iter().map(String::as_str).collect();
                match words[..] {
                    ["read-only"] => config.read_only = true,
                    ["interim"] => {}
                    ["key", access_key, secret_key, ref more @ ..] => {
                        config.credentials.push(Credentials {
                            access_key: access_key.to_owned(),
                            secret_key: secret_key.to_owned(),
                            read_only: more == ["ro"],
                        });
                    }
                    ["region", name] => config.region = Some(name.to_owned()),
                    ["origin", origin] => config.origins.push(origin.to_owned()),
                    ["host", name] => config.hosts.names.push(name.to_owned()),
                    ["drain", bytes] => config.limits.drain = number(bytes),
                    ["linger", bytes] => config.limits.linger = number(bytes),
                    ["form", bytes] => config.limits.form = number(bytes) as usize,
                    ["object", bytes] => config.limits.object = number(bytes),
                    _ => panic!("unknown setting {setting:?}"),
                }
            }
        })
    }

    /// The transcript with these answers instead of its own.
    pub(crate) fn with(&self, answers: &[String]) -> String {
        assert_eq!(answers.len(), self.turns.len());
        let turns = self.turns.iter().zip(answers);
        turns.map(|(turn, answer)| format!("{}{answer}", turn.text)).collect()
    }
}

fn number(digits: &str) -> u64 {
    digits.parse().expect("a number")
}

/// Appends the bytes of a line; `None` if it is malformed.
fn read_line(line: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let Some(kind) = rest.chars().next() else { return Some(()) };
        rest = &rest[1..];
        match kind {
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            '\\' => out.push(b'\\'),
            'x' => {
                out.push(u8::from_str_radix(rest.get(..2)?, 16).ok()?);
                rest = &rest[2..];
            }
            '{' => {
                let (count, byte) = rest.split_once('}')?.0.split_once('*')?;
                out.extend(byte.bytes().cycle().take(count.parse().ok()?));
                rest = &rest[rest.find('}')? + 1..];
            }
            _ => return None,
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out.extend_from_slice(b"\r\n");
    Some(())
}

/// What the server did, in the notation; `open` unless it has closed.
pub(crate) fn write(events: &[Event], last: bool) -> String {
    let mut out = String::new();
    for event in events {
        match event {
            Event::Sent(bytes) => {
                out += "<<\n";
                write_bytes(bytes, &mut out);
            }
            Event::Asked(short, _) => {
                out += "** ";
                write_bytes(format!("{short}\r\n").as_bytes(), &mut out);
            }
            Event::HalfClosed => out += "== half-close\n",
            Event::Closed => out += "== close\n",
        }
    }
    if last && events.last() != Some(&Event::Closed) {
        out += "== open\n";
    }
    out
}

/// Lines end at CRLF and LF, and between the elements of XML.
fn write_bytes(bytes: &[u8], out: &mut String) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let run = rest.iter().take_while(|b| **b == rest[0]).count();
        if run >= RUN {
            let _ = write!(out, "\\{{{run}*{}}}", char::from(rest[0]));
            rest = &rest[run..];
            continue;
        }
        match rest {
            [b'\r', b'\n', ..] => {
                out.push('\n');
                rest = &rest[2..];
                continue;
            }
            [b'\n', ..] => *out += "\\n\\\n",
            [b'\\', ..] => *out += "\\\\",
            [b'>', b'<', ..] => *out += ">\\\n",
            // It would be a mark.
            [one, two, ..] if one == two && out.ends_with('\n') && b"-!><*=".contains(one) => {
                *out += &format!("\\x{one:02x}");
            }
            [byte @ b' '..=b'~', ..] => out.push(char::from(*byte)),
            [byte, ..] => *out += &format!("\\x{byte:02x}"),
            [] => {}
        }
        rest = &rest[1..];
    }
    if !bytes.ends_with(b"\r\n") {
        *out += "\\\n";
    }
}
