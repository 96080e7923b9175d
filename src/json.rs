//! Writes an object of JSON (RFC 8259) in one line.

use std::fmt::Write as _;

/// An object under construction.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self("{".into())
    }

    /// A value that is JSON already.
    pub(crate) fn literal(&mut self, name: &str, value: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        quote(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(value);
    }

    /// A text, or null.
    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.literal(name, &quoted(value)),
            None => self.literal(name, "null"),
        }
    }

    /// Texts in their order.
    pub(crate) fn texts(&mut self, name: &str, values: &[String]) {
        let list: Vec<_> = values.iter().map(|value| quoted(value)).collect();
        self.literal(name, &format!("[{}]", list.join(",")));
    }

    /// A number, or null.
    pub(crate) fn number(&mut self, name: &str, value: Option<u64>) {
        self.literal(name, &value.map_or_else(|| "null".into(), |value| value.to_string()));
    }

    /// All of it, with the end of the line.
    pub(crate) fn line(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote(&mut out, text);
    out
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                // A String takes all that is written to it.
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

    #[test]
    fn values() {
        // Each kind of value, and every character that a string may not have as it is.
        let mut object = Object::new();
        object.literal("a", "true");
        object.text("b", Some("\"\\\n\u{1}\u{7f}é"));
        object.text("c", None);
        object.number("d", Some(7));
        object.number("e", None);
        object.texts("f", &["x".into(), "y".into()]);
        object.texts("g", &[]);
        let wanted = r#"{"a":true,"b":"\"\\\u000a\u0001\u007fé","c":null,"d":7,"e":null,"#;
        assert_eq!(object.line(), format!("{wanted}{}\n", r#""f":["x","y"],"g":[]}"#));
    }
}
