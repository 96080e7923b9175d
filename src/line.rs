//! How a line of the log is written, plain or as JSON. Whatever a client sends stays on its line
//! and within its quotes.

use std::fmt::Write as _;
use std::time::Duration;

use lobos_drive::Ended;
use lobos_proto::{Record, Timestamp};

use crate::log::Format;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    /// Of a request: the server failed, the disk said something, or all is well for the server.
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let caused = record.error.is_some_and(|error| error.reason().is_some());
        match record.status {
            Some(500..) => Self::Error,
            _ if caused => Self::Warn,
            _ => Self::Info,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A sentence for the person who runs the server.
pub(crate) fn sentence(
    out: &mut String,
    format: Format,
    level: Level,
    text: &str,
    time: Timestamp,
) {
    match format {
        Format::Plain => {
            out.push_str("lobos: ");
            out.push_str(text);
        }
        Format::Json => {
            begin(out, level, time);
            field(out, "message", text);
            out.push('}');
        }
    }
    out.push('\n');
}

/// A request.
pub(crate) fn request(
    out: &mut String,
    format: Format,
    end: &Ended<'_>,
    took: Duration,
    time: Timestamp,
) {
    match format {
        Format::Plain => plain(out, end, took, time),
        Format::Json => json(out, end, took, time),
    }
    out.push('\n');
}

/// What an error says beside its code, where that is more than the client's own fault.
fn why<'r>(record: &Record<'r>) -> Option<(&'r str, &'r str)> {
    let error = record.error.filter(|_| Level::of(record) != Level::Info)?;
    Some((error.sentence(), error.reason().unwrap_or_default()))
}

fn plain(out: &mut String, end: &Ended<'_>, took: Duration, time: Timestamp) {
    let record = &end.record;
    out.push_str(&time.to_iso8601());
    out.push(' ');
    // A String takes all that is written to it.
    let _ = match end.client {
        Some(client) => write!(out, "{client} "),
        None => out.write_str("- "),
    };
    out.push_str(if record.method.is_empty() { "-" } else { record.method });
    out.push(' ');
    out.push_str(record.operation.map_or("-", |operation| operation.as_str()));
    out.push_str(" \"");
    let (bucket, key) = record.place();
    for (name, before) in [(&bucket, ""), (&key, "/")] {
        if let Some(name) = name {
            out.push_str(before);
            escape(out, name);
        }
    }
    out.push_str("\" ");
    let _ = match record.status {
        Some(status) => write!(out, "{status} "),
        None => out.write_str("- "),
    };
    out.push_str(record.error.map_or("-", |error| error.code().as_str()));
    let (micros, id) = (took.as_micros(), record.request_id);
    let (millis, micros) = (micros / 1000, micros % 1000);
    let (received, sent) = (record.received, record.sent);
    let _ = write!(out, " in={received} out={sent} ms={millis}.{micros:03} id={id:016X}");
    if !record.whole {
        out.push_str(" cut");
    }
    if let Some((message, cause)) = why(record) {
        out.push_str(" message=\"");
        escape(out, message);
        out.push_str("\" cause=\"");
        escape(out, cause);
        out.push('"');
    }
}

/// So that no control character, not even one of a terminal, and no quote of a client gets out.
fn escape(out: &mut String, text: &str) {
    let harmless = |b: u8| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\';
    if text.bytes().all(harmless) {
        return out.push_str(text);
    }
    for c in text.chars() {
        match c {
            '\'' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
}

fn begin(out: &mut String, level: Level, time: Timestamp) {
    out.push_str("{\"time\":\"");
    out.push_str(&time.to_iso8601());
    out.push_str("\",\"level\":\"");
    out.push_str(level.as_str());
    out.push('"');
}

fn json(out: &mut String, end: &Ended<'_>, took: Duration, time: Timestamp) {
    let record = &end.record;
    begin(out, Level::of(record), time);
    if let Some(client) = end.client {
        let _ = write!(out, ",\"client\":\"{client}\"");
    }
    let (bucket, key) = record.place();
    let texts = [
        ("method", Some(record.method).filter(|method| !method.is_empty())),
        ("operation", record.operation.map(|operation| operation.as_str())),
        ("bucket", bucket.as_deref()),
        ("key", key.as_deref()),
        ("error", record.error.map(|error| error.code().as_str())),
        ("message", why(record).map(|(message, _)| message)),
        ("cause", why(record).map(|(_, cause)| cause).filter(|cause| !cause.is_empty())),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            field(out, name, text);
        }
    }
    if let Some(status) = record.status {
        let _ = write!(out, ",\"status\":{status}");
    }
    let (micros, id) = (took.as_micros(), record.request_id);
    let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
    let (received, sent, whole) = (record.received, record.sent, record.whole);
    let _ = write!(
        out,
        ",\"bytes_in\":{received},\"bytes_out\":{sent},\"duration_seconds\":{secs}.{micros:06},\
         \"request_id\":\"{id:016X}\",\"complete\":{whole}}}"
    );
}

/// Not the first one.
fn field(out: &mut String, name: &str, text: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // Control characters, and two that some readers take for the end of a line.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: [&str; 7] = [
        "a\nlobos: forged",
        "\r\x1b[2J",
        "quote\" out=9",
        "back\\",
        "\u{202e}\u{9b}31m",
        "\u{2028}",
        "ü 日",
    ];

    #[test]
    fn plain_escapes() {
        // A name that is written between quotes ends neither the line nor the quotes, and moves no
        // cursor.
        for name in NASTY {
            let mut out = String::new();
            escape(&mut out, name);
            assert!(!out.chars().any(char::is_control), "{out:?}");
            assert!(!out.contains(['\u{202e}', '\u{2028}']), "{out:?}");
            assert_eq!(out.replace("\\\\", "").replace("\\\"", "").matches('"').count(), 0);
        }
        let mut out = String::new();
        escape(&mut out, "it's ü 日");
        assert_eq!(out, "it's ü 日");
    }

    #[test]
    fn json_escapes() {
        // A JSON reader finds what was written, on one line.
        for text in NASTY {
            let mut out = String::new();
            sentence(&mut out, Format::Json, Level::Warn, text, Timestamp::from_unix(0, 0));
            assert_eq!(out.matches('\n').count(), 1, "{out:?}");
            let read: serde_json::Value = serde_json::from_str(&out).unwrap();
            assert_eq!(read["message"], text);
            assert_eq!(read["level"], "warn");
            assert_eq!(read["time"], "1970-01-01T00:00:00.000Z");
        }
    }
}
