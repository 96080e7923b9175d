//! The CORS rules of a bucket: the document of PutBucketCors, and which pages they let in.

use crate::s3::xml::{Element, Xml};
use crate::{Code, Error};

/// The most rules of a bucket, and bytes of their document.
const RULES: usize = 100;
const DOCUMENT: usize = 64 << 10;

/// The longest name of a rule.
const ID: usize = 255;

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// The rules of a bucket, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorsRules(Vec<Rule>);

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    id: Option<String>,
    /// Each with one `*` at most.
    origins: Vec<String>,
    methods: Vec<String>,
    /// Each with one `*` at most.
    headers: Vec<String>,
    pub(crate) exposed: Vec<String>,
    pub(crate) max_age: Option<i32>,
}

/// Reads the document of PutBucketCors and gives it as it is to be kept.
///
/// # Errors
/// `MalformedXML`, `InvalidRequest`, `MaxMessageLengthExceeded`.
pub(crate) fn validate(document: &[u8]) -> Result<String, Error> {
    if document.len() > DOCUMENT {
        return Err(Error::new(Code::MaxMessageLengthExceeded));
    }
    Ok(CorsRules::read(&Element::parse(document)?)?.document())
}

impl CorsRules {
    /// Reads a document that was kept; what a person has broken on the disk lets nobody in.
    pub(crate) fn parse(document: &str) -> Self {
        let read = Element::parse(document.as_bytes()).and_then(|root| Self::read(&root));
        read.unwrap_or(Self(Vec::new()))
    }

    fn read(root: &Element) -> Result<Self, Error> {
        let rules = &root.children;
        let named = root.name == "CORSConfiguration" && rules.iter().all(|r| r.name == "CORSRule");
        if !named || rules.is_empty() {
            return Err(Error::new(Code::MalformedXML));
        }
        if rules.len() > RULES {
            return Err(invalid(format!(
                "The number of CORS rules should not exceed allowed limit of {RULES} rules."
            )));
        }
        rules.iter().map(Rule::read).collect::<Result<_, _>>().map(Self)
    }

    fn document(&self) -> String {
        let mut xml = Xml::s3("CORSConfiguration");
        for rule in &self.0 {
            xml.open("CORSRule");
            rule.write(&mut xml);
            xml.close("CORSRule");
        }
        xml.close("CORSConfiguration");
        xml.finish()
    }

    /// The first rule that lets a page of `origin` send `method` with these headers.
    pub(crate) fn find(&self, origin: &str, method: &str, headers: &[&str]) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.fits(origin, method, headers))
    }
}

impl Rule {
    fn read(element: &Element) -> Result<Self, Error> {
        let malformed = || Error::new(Code::MalformedXML);
        let mut rule = Self::default();
        for child in &element.children {
            let text = child.text.trim();
            if !child.children.is_empty() || text.chars().any(char::is_control) {
                return Err(malformed());
            }
            let list = match child.name.as_str() {
                "AllowedOrigin" => &mut rule.origins,
                "AllowedMethod" => &mut rule.methods,
                "AllowedHeader" => &mut rule.headers,
                "ExposeHeader" => &mut rule.exposed,
                "ID" if rule.id.is_none() => {
                    rule.id = Some(text.to_owned());
                    continue;
                }
                "MaxAgeSeconds" if rule.max_age.is_none() => {
                    rule.max_age = Some(text.parse().map_err(|_| malformed())?);
                    continue;
                }
                _ => return Err(malformed()),
            };
            list.push(text.to_owned());
        }
        rule.check()
    }

    fn check(self) -> Result<Self, Error> {
        if self.origins.is_empty() || self.methods.is_empty() {
            return Err(Error::new(Code::MalformedXML));
        }
        if let Some(method) = self.methods.iter().find(|m| !METHODS.contains(&m.as_str())) {
            return Err(invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
        for (name, values) in [("AllowedOrigin", &self.origins), ("AllowedHeader", &self.headers)] {
            if let Some(value) = values.iter().find(|value| value.matches('*').count() > 1) {
                let why = format!("{name} \"{value}\" can not have more than one wildcard.");
                return Err(invalid(why));
            }
        }
        let named = self.headers.iter().chain(&self.exposed);
        if let Some(header) = named.into_iter().find(|header| !is_header_name(header)) {
            return Err(invalid(format!("AllowedHeader \"{header}\" contains invalid character.")));
        }
        if let Some(header) = self.exposed.iter().find(|header| header.contains('*')) {
            return Err(invalid(format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard \
                 for ExposeHeader."
            )));
        }
        if self.id.as_ref().is_some_and(|id| id.len() > ID) {
            return Err(invalid(format!("The ID of a rule has more than {ID} characters.")));
        }
        Ok(self)
    }

    fn write(&self, xml: &mut Xml) {
        if let Some(id) = &self.id {
            xml.text("ID", id);
        }
        for (name, values) in [
            ("AllowedHeader", &self.headers),
            ("AllowedMethod", &self.methods),
            ("AllowedOrigin", &self.origins),
            ("ExposeHeader", &self.exposed),
        ] {
            values.iter().for_each(|value| xml.text(name, value));
        }
        if let Some(seconds) = self.max_age {
            xml.display("MaxAgeSeconds", seconds);
        }
    }

    fn fits(&self, origin: &str, method: &str, headers: &[&str]) -> bool {
        let known = |header: &&str| {
            let header = header.to_ascii_lowercase();
            self.headers.iter().any(|allowed| fits(&allowed.to_ascii_lowercase(), &header))
        };
        self.lets_in(origin).is_some()
            && self.methods.iter().any(|allowed| allowed == method)
            && headers.iter().all(known)
    }

    /// The first of its origins that a page of `origin` fits.
    pub(crate) fn lets_in(&self, origin: &str) -> Option<&str> {
        self.origins.iter().map(String::as_str).find(|allowed| fits(allowed, origin))
    }

    /// Its methods, as a header has them.
    pub(crate) fn methods(&self) -> String {
        self.methods.join(", ")
    }
}

/// Whether it can be the name of a header (RFC 9110, section 5.6.2); `*` is one of its characters.
pub(crate) fn is_header_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(fits)
}

/// Whether `text` is `pattern`, in which a `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.strip_prefix(start).is_some_and(|rest| rest.strip_suffix(end).is_some())
        }
    }
}

fn invalid(why: String) -> Error {
    Error::new(Code::InvalidRequest).message(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(inner: &str) -> String {
        format!("<CORSConfiguration><CORSRule>{inner}</CORSRule></CORSConfiguration>")
    }

    const PLAIN: &str = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";

    #[test]
    fn kept() {
        // What is kept of a document says the same as the document, and reads back the same.
        let document = rule(
            " <AllowedMethod>PUT</AllowedMethod><ID>a&amp;b</ID>\
             <AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
             <MaxAgeSeconds>30</MaxAgeSeconds><ExposeHeader>ETag</ExposeHeader>\
             <AllowedHeader>x-amz-*</AllowedHeader> ",
        );
        let kept = validate(document.as_bytes()).unwrap();
        assert_eq!(validate(kept.as_bytes()).as_ref(), Ok(&kept));
        let rules = CorsRules::parse(&kept);
        assert_eq!(rules, CorsRules::parse(&document));
        let rule = &rules.0[0];
        assert_eq!((rule.id.as_deref(), rule.max_age), (Some("a&b"), Some(30)));
        assert_eq!(
            (rule.methods().as_str(), &rule.exposed[..]),
            ("PUT, GET", &["ETag".into()][..])
        );
        assert!(CorsRules::parse("<broken").find("a", "GET", &[]).is_none());
    }

    #[test]
    fn refusals() {
        // What S3 refuses is refused, in its words.
        let code = |document: &str| validate(document.as_bytes()).unwrap_err().code();
        for bad in [
            "<CORSConfiguration/>",
            "<Other><CORSRule/></Other>",
            "no xml",
            &rule(""),
            &rule("<AllowedOrigin>*</AllowedOrigin>"),
            &rule("<AllowedMethod>GET</AllowedMethod>"),
            &rule(&format!("{PLAIN}<Unknown>x</Unknown>")),
            &rule(&format!("{PLAIN}<MaxAgeSeconds>x</MaxAgeSeconds>")),
            &rule(&format!("{PLAIN}<ExposeHeader>a&#10;b</ExposeHeader>")),
        ] {
            assert_eq!(code(bad), Code::MalformedXML, "{bad}");
        }
        let says = |inner: &str| {
            let error = validate(rule(inner).as_bytes()).unwrap_err();
            (error.code(), error.sentence().to_owned())
        };
        let (code_of, sentence) = says(&PLAIN.replace("GET", "PATCH"));
        assert_eq!(code_of, Code::InvalidRequest);
        assert!(sentence.ends_with("Unsupported method is PATCH"), "{sentence}");
        assert!(says(&PLAIN.replace("GET", "get")).1.ends_with(" get"));
        let negative = rule(&format!("{PLAIN}<MaxAgeSeconds>-1</MaxAgeSeconds>"));
        assert!(validate(negative.as_bytes()).is_ok());
        for name in ["a b", "a:b", "X(a)", "ü", ""] {
            let (code, sentence) = says(&format!("{PLAIN}<AllowedHeader>{name}</AllowedHeader>"));
            assert_eq!(code, Code::InvalidRequest);
            assert!(sentence.ends_with("contains invalid character."), "{sentence}");
        }
        let (_, sentence) = says(&PLAIN.replace('*', "http://*.*"));
        assert_eq!(sentence, "AllowedOrigin \"http://*.*\" can not have more than one wildcard.");
        for more in ["<AllowedHeader>*-*</AllowedHeader>", "<ExposeHeader>*</ExposeHeader>"] {
            assert_eq!(says(&format!("{PLAIN}{more}")).0, Code::InvalidRequest, "{more}");
        }
        let many = |count| {
            let rules = format!("<CORSRule>{PLAIN}</CORSRule>").repeat(count);
            validate(format!("<CORSConfiguration>{rules}</CORSConfiguration>").as_bytes())
        };
        assert!(many(100).is_ok());
        assert_eq!(many(101).unwrap_err().code(), Code::InvalidRequest);
        let long = rule(&format!("{PLAIN}{}", " ".repeat(DOCUMENT)));
        assert_eq!(code(&long), Code::MaxMessageLengthExceeded);
    }

    #[test]
    fn matching() {
        // The first rule whose origin, method and headers all fit is the one.
        let rules = CorsRules::parse(&format!(
            "<CORSConfiguration><CORSRule><AllowedOrigin>https://*.a.com</AllowedOrigin>\
             <AllowedMethod>PUT</AllowedMethod><AllowedHeader>X-Amz-*</AllowedHeader>\
             <AllowedHeader>content-type</AllowedHeader></CORSRule><CORSRule>{PLAIN}</CORSRule>\
             </CORSConfiguration>"
        ));
        let found = |origin, method, headers: &[&str]| {
            rules.find(origin, method, headers).and_then(|rule| rule.lets_in(origin))
        };
        let named = Some("https://*.a.com");
        assert_eq!(found("https://x.a.com", "PUT", &["Content-Type", "x-amz-date"]), named);
        assert_eq!(found("https://x.a.com", "GET", &[]), Some("*"));
        for (origin, method, headers) in [
            ("https://x.a.com", "PUT", &["x-other"][..]),
            ("https://a.com", "PUT", &[]),
            ("https://x.a.com.evil", "PUT", &[]),
            ("http://x.a.com", "PUT", &[]),
            ("https://x.a.com", "put", &[]),
            ("null", "PUT", &[]),
            ("null", "GET", &["content-type"]),
        ] {
            assert_eq!(found(origin, method, headers), None, "{origin} {method} {headers:?}");
        }
        assert!(!fits("ab*ba", "aba"), "the two sides of a wildcard do not overlap");
    }
}
