//! The policy of a POST form (S3 API reference, "POST Policy"): until when, and which fields, a
//! form may send.

use std::fmt;
use std::ops::RangeInclusive;

use data_encoding::BASE64;
use serde_json::{Map, Value};

use crate::{Code, Error, Timestamp};

/// Fields that need no condition; those that begin with `x-ignore-` neither.
const FREE: [&str; 5] = ["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"];

/// A policy document.
#[derive(Debug)]
pub(crate) struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    /// The field is this value.
    Equal(String, String),
    /// The field begins so.
    StartsWith(String, String),
    /// The file has so many bytes.
    Length(RangeInclusive<u64>),
}

impl Policy {
    /// Reads the field `policy`.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`.
    pub(crate) fn parse(field: &str) -> Result<Self, Error> {
        let text: String = field.split_ascii_whitespace().collect();
        let json = BASE64.decode(text.as_bytes()).map_err(|_| invalid("Invalid Base64."))?;
        let json = serde_json::from_slice(&json).map_err(|_| invalid("Invalid JSON."))?;
        let Value::Object(policy) = json else { return Err(invalid("Invalid JSON.")) };
        let expiration = match policy.get("expiration") {
            Some(Value::String(text)) => time(text)
                .ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{text}'")))?,
            _ => return Err(invalid("Policy missing expiration.")),
        };
        let Some(Value::Array(conditions)) = policy.get("conditions") else {
            return Err(invalid("Policy missing conditions."));
        };
        let conditions = conditions.iter().map(Condition::parse).collect::<Result<_, _>>()?;
        Ok(Self { expiration, conditions })
    }

    /// Whether a form with these fields (lower-case names, values) may be sent now, and how large
    /// its file may be.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(crate) fn check(
        &self,
        fields: &[(String, String)],
        bucket: &str,
        now: Timestamp,
    ) -> Result<RangeInclusive<u64>, Error> {
        if now > self.expiration {
            return Err(denied("Policy expired."));
        }
        let value = |name: &str| match name.to_ascii_lowercase().as_str() {
            "bucket" => Some(bucket),
            name => fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()),
        };
        if let Some(failed) = self.conditions.iter().find(|condition| !condition.holds(&value)) {
            return Err(denied(&format!("Policy Condition failed: {failed}")));
        }
        let covered = |name: &str| self.conditions.iter().any(|c| c.is_about(name));
        let extra: Vec<_> = fields
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !FREE.contains(name) && !name.starts_with("x-ignore-"))
            .filter(|name| !covered(name))
            .collect();
        if !extra.is_empty() {
            return Err(denied(&format!("Extra input fields: {}", extra.join(", "))));
        }
        let mut sizes = 0..=u64::MAX;
        for condition in &self.conditions {
            if let Condition::Length(range) = condition {
                sizes = (*sizes.start()).max(*range.start())..=(*sizes.end()).min(*range.end());
            }
        }
        Ok(sizes)
    }
}

impl Condition {
    fn parse(condition: &Value) -> Result<Self, Error> {
        match condition {
            Value::Object(simple) => Self::simple(simple),
            Value::Array(list) => Self::list(list),
            _ => Err(invalid("Conditions must be objects or lists.")),
        }
    }

    /// `{"acl": "private"}`
    fn simple(object: &Map<String, Value>) -> Result<Self, Error> {
        let mut entries = object.iter();
        match (entries.next(), entries.next()) {
            (Some((name, Value::String(value))), None) => {
                Ok(Self::Equal(name.clone(), value.clone()))
            }
            (Some(_), None) => Err(invalid("Invalid Simple-Condition: value must be a string.")),
            _ => Err(invalid(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property \
                 specified.",
            )),
        }
    }

    /// `["starts-with", "$key", "user/"]`
    fn list(list: &[Value]) -> Result<Self, Error> {
        let malformed = || invalid("Invalid condition list.");
        let [Value::String(operator), first, second] = list else { return Err(malformed()) };
        let operator = operator.to_ascii_lowercase();
        if operator == "content-length-range" {
            let range = number(first).zip(number(second)).ok_or_else(malformed)?;
            return Ok(Self::Length(range.0..=range.1));
        }
        let (Value::String(name), Value::String(value)) = (first, second) else {
            return Err(malformed());
        };
        let name = name.strip_prefix('$').ok_or_else(malformed)?.to_owned();
        match operator.as_str() {
            "eq" => Ok(Self::Equal(name, value.clone())),
            "starts-with" => Ok(Self::StartsWith(name, value.clone())),
            _ => Err(malformed()),
        }
    }

    fn is_about(&self, field: &str) -> bool {
        match self {
            Self::Equal(name, _) | Self::StartsWith(name, _) => name.eq_ignore_ascii_case(field),
            Self::Length(_) => false,
        }
    }

    fn holds<'f>(&self, value: &dyn Fn(&str) -> Option<&'f str>) -> bool {
        match self {
            Self::Equal(name, wanted) => value(name) == Some(wanted),
            // Each of several types must begin so.
            Self::StartsWith(name, start) if name.eq_ignore_ascii_case("content-type") => {
                let fits = |value: &str| value.split(',').all(|v| v.trim().starts_with(start));
                value(name).is_some_and(fits)
            }
            Self::StartsWith(name, start) => value(name).is_some_and(|v| v.starts_with(start)),
            Self::Length(_) => true,
        }
    }
}

/// As S3 writes it in its errors.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, name, value) = match self {
            Self::Equal(name, value) => ("eq", name, value),
            Self::StartsWith(name, value) => ("starts-with", name, value),
            Self::Length(range) => {
                return write!(f, "[\"content-length-range\", {}, {}]", range.start(), range.end());
            }
        };
        let quoted = |text: String| Value::String(text);
        write!(f, "[\"{operator}\", {}, {}]", quoted(format!("${name}")), quoted(value.clone()))
    }
}

/// A number, also as a string.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

/// `2007-12-01T12:00:00.000Z`; parts of seconds are dropped.
fn time(text: &str) -> Option<Timestamp> {
    let whole = text.strip_suffix('Z')?;
    let (whole, parts) = whole.split_once('.').unwrap_or((whole, ""));
    let shape = |(at, c): (usize, char)| match at {
        4 | 7 => c == '-',
        10 => c == 'T',
        13 | 16 => c == ':',
        _ => c.is_ascii_digit(),
    };
    if !whole.char_indices().all(shape) || !parts.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let basic: String = whole.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    crate::auth::date::parse(&format!("{basic}Z"))
}

fn invalid(why: &str) -> Error {
    Error::new(Code::InvalidPolicyDocument).message(format!("Invalid Policy: {why}"))
}

fn denied(why: &str) -> Error {
    Error::new(Code::AccessDenied).message(format!("Invalid according to Policy: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(conditions: &str) -> Result<Policy, Error> {
        parse(&format!(
            "{{\"expiration\":\"2026-01-01T00:00:00.000Z\",\"conditions\":{conditions}}}"
        ))
    }

    fn parse(json: &str) -> Result<Policy, Error> {
        Policy::parse(&BASE64.encode(json.as_bytes()))
    }

    /// The sizes, or what is wrong, of a form with these fields at this second of 2025-12-31.
    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<RangeInclusive<u64>, String> {
        let fields: Vec<_> =
            fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let now = Timestamp::from_unix(1_767_225_599, 0);
        policy(conditions).unwrap().check(&fields, "b", now).map_err(|error| {
            assert_eq!(error.code(), Code::AccessDenied);
            error.sentence().strip_prefix("Invalid according to Policy: ").unwrap().to_owned()
        })
    }

    #[test]
    fn conditions() {
        // Each condition holds for what it names, whatever the case of the name, and for no other.
        let any = Ok(0..=u64::MAX);
        let failed = |condition: &str| Err(format!("Policy Condition failed: {condition}"));
        let all = r#"[{"bucket":"b"},["starts-with","$KEY","u/"],["eq","$acl","private"],
            {"x-Amz-Meta-a":""}]"#;
        let fields = [("key", "u/x"), ("acl", "private"), ("x-amz-meta-a", "")];
        assert_eq!(check(all, &fields), any);
        let free = [("policy", "x"), ("x-ignore-a", "x"), ("signature", "x"), ("file", "x")];
        assert_eq!(check(all, &[&fields[..], &free].concat()), any);
        assert_eq!(check(all, &fields[..2]), failed(r#"["eq", "$x-Amz-Meta-a", ""]"#));
        let bucket = r#"[{"bucket":"c\""}]"#;
        assert_eq!(check(bucket, &[]), failed(r#"["eq", "$bucket", "c\""]"#));
        let key = r#"[["starts-with","$key","u/"]]"#;
        assert_eq!(check(key, &[("key", "v/x")]), failed(r#"["starts-with", "$key", "u/"]"#));
        assert_eq!(check(key, &[]), failed(r#"["starts-with", "$key", "u/"]"#));
        assert_eq!(check(r#"[["starts-with","$a",""]]"#, &[("a", "b")]), any);
        let extra = Err("Extra input fields: a, submit".to_owned());
        assert_eq!(check(key, &[("a", ""), ("key", "u/"), ("submit", "")]), extra);
        let types = r#"[["starts-with","$Content-Type","image/"]]"#;
        assert_eq!(check(types, &[("content-type", "image/a, image/b")]), any);
        assert!(check(types, &[("content-type", "image/a,text/b")]).is_err());
    }

    #[test]
    fn sizes() {
        // All ranges must hold, be they numbers or strings.
        let two = r#"[["content-length-range",2,10],["content-length-range","0","7"]]"#;
        assert_eq!(check(two, &[]), Ok(2..=7));
    }

    #[test]
    fn expiration() {
        // A policy holds until its time and not longer.
        let policy = policy("[]").unwrap();
        let at = |secs| policy.check(&[], "b", Timestamp::from_unix(secs, 0));
        assert!(at(1_767_225_600).is_ok());
        let late = at(1_767_225_601).unwrap_err();
        assert_eq!(late.sentence(), "Invalid according to Policy: Policy expired.");
        for bad in ["", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"] {
            let json = format!("{{\"expiration\":\"{bad}\",\"conditions\":[]}}");
            assert_eq!(parse(&json).unwrap_err().code(), Code::InvalidPolicyDocument, "{bad}");
        }
    }

    #[test]
    fn malformed() {
        // What is no policy is told so.
        for bad in [
            "[1]",
            "[{}]",
            r#"[{"a":"b","c":"d"}]"#,
            r#"[{"a":1}]"#,
            r#"[["eq","$a"]]"#,
            r#"[["eq","a","b"]]"#,
            r#"[["eq","$a",1]]"#,
            r#"[["like","$a","b"]]"#,
            r#"[["content-length-range",-1,2]]"#,
            r#"[["content-length-range","a",2]]"#,
            "{}",
            "null",
        ] {
            let error = policy(bad).unwrap_err();
            assert_eq!(error.code(), Code::InvalidPolicyDocument, "{bad}");
            assert!(error.sentence().starts_with("Invalid Policy: "), "{bad}");
        }
        let deep = "[".repeat(20_000);
        for bad in ["", "{}", "[]", "x", "{\"conditions\":[]}", &deep] {
            assert_eq!(parse(bad).unwrap_err().code(), Code::InvalidPolicyDocument);
        }
        assert!(Policy::parse("!").is_err());
        let json = BASE64.encode(b"{\"expiration\":\"2026-01-01T00:00:00Z\",\"conditions\":[]}");
        let (a, b) = json.split_at(20);
        assert!(Policy::parse(&format!("{a}\r\n{b}\n")).is_ok());
    }
}
