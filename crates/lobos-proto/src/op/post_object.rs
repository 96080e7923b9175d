//! PostObject: a form of a browser that stores an object.

use std::ops::RangeInclusive;

use httparse::Header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::encode::{Answer, Context};
use crate::http::form::{Form, malformed};
use crate::http::head::{Framing, Head};
use crate::http::is_token;
use crate::op::PutObject;
use crate::s3::policy::Policy;
use crate::s3::tags::OBJECT_TAGS;
use crate::s3::xml::Xml;
use crate::{BucketName, Code, Config, Error, Expected, Key, Limits, Now, Stored, TagSet};

/// A form whose fields are still to come.
#[derive(Debug)]
pub(crate) struct PostObject {
    bucket: BucketName,
    /// Where the bucket is, with a slash at its end.
    base: String,
}

/// What the fields said of the rest of the form and of its answer.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) expected: Expected,
    /// Bytes that the file may have.
    sizes: RangeInclusive<u64>,
    bucket: BucketName,
    key: Key,
    base: String,
    success: Success,
}

/// What a form that has stored its file is answered.
#[derive(Debug, PartialEq, Eq)]
enum Success {
    Status(u16),
    Redirect(String),
}

/// Fields that are headers of a PUT, besides those of S3.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];

/// Fields of S3 that are about the form and not about the object.
const OWN: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-tagging",
    "x-amz-trailer",
];

/// What needs no escape in a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl PostObject {
    /// A form for this bucket; `host` is what the client calls the server, and whether it names
    /// the bucket.
    ///
    /// # Errors
    /// `PreconditionFailed` for what is no form, `MalformedPOSTRequest`, `MissingContentLength`,
    /// `EntityTooLarge`.
    pub(crate) fn parse(
        bucket: BucketName,
        head: &Head<'_>,
        framing: Framing,
        host: (Option<&str>, bool),
        config: &Config,
    ) -> Result<(Self, Form), Error> {
        let (limits, scheme) = (&config.limits, config.scheme());
        let kind = head.get("content-type").unwrap_or_default();
        let form = Form::new(kind)?.ok_or_else(|| {
            Error::new(Code::PreconditionFailed)
                .condition("Bucket POST must be of the enclosure-type multipart/form-data")
        })?;
        match framing {
            Framing::None => return Err(Error::new(Code::MissingContentLength)),
            Framing::Length(length) => {
                if length.saturating_sub(limits.form as u64) > limits.object {
                    return Err(Error::new(Code::EntityTooLarge));
                }
            }
            Framing::Chunked => {}
        }
        let base = match host {
            (None, _) => format!("/{}/", escape(bucket.as_str())),
            (Some(host), true) => format!("{scheme}://{host}/"),
            (Some(host), false) => format!("{scheme}://{host}/{}/", escape(bucket.as_str())),
        };
        Ok((Self { bucket, base }, form))
    }

    /// The upload that the fields of `form` announce.
    ///
    /// # Errors
    /// `InvalidArgument` without a key, those of a policy and its signature, those of
    /// [`PutObject`].
    pub(crate) fn request(
        self,
        form: &Form,
        config: &Config,
        now: Now,
    ) -> Result<(PutObject, Posted), Error> {
        let fields = expand(form, &config.limits)?;
        let field = |name: &str| {
            fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
        };
        let key = field("key").filter(|key| !key.is_empty()).ok_or_else(no_key)?;
        crate::auth::policy(&|name| field(name).map(str::to_owned), config, now)?;
        let sizes = match field("policy") {
            Some(policy) => {
                Policy::parse(policy)?.check(&fields, self.bucket.as_str(), now.wall.into())?
            }
            None => 0..=u64::MAX,
        };
        let key = Key::new(key)?;
        let headers = headers(&fields)?;
        let head = Head::of(&headers);
        let (bucket, limits) = (self.bucket.clone(), &config.limits);
        let parsed = PutObject::parse(bucket, key.clone(), &head, Framing::Chunked, limits);
        let (mut put, promise) = parsed?;
        if let Some(tagging) = field("tagging") {
            put.tags = TagSet::parse_document(tagging.as_bytes(), OBJECT_TAGS)?;
        }
        let sizes = *sizes.start()..=(*sizes.end()).min(config.limits.object);
        let redirect = field("success_action_redirect").or_else(|| field("redirect"));
        let success = match (redirect.filter(|url| is_url(url)), field("success_action_status")) {
            (Some(url), _) => Success::Redirect(url.to_owned()),
            (None, Some("200")) => Success::Status(200),
            (None, Some("201")) => Success::Status(201),
            (None, _) => Success::Status(204),
        };
        let (expected, bucket, base) = (promise.expected, self.bucket, self.base);
        Ok((put, Posted { expected, sizes, bucket, key, base, success }))
    }
}

impl Posted {
    /// What is to be stored.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// Whether the file may have so many bytes or more.
    ///
    /// # Errors
    /// `EntityTooLarge`.
    pub(crate) fn check_growth(&self, size: u64) -> Result<(), Error> {
        let most = *self.sizes.end();
        if size > most {
            // How large it is nobody knows yet, and how much has come is chance.
            return Err(Error::new(Code::EntityTooLarge)
                .element("ProposedSize", (most + 1).to_string())
                .element("MaxSizeAllowed", most.to_string()));
        }
        Ok(())
    }

    /// Whether the file may have just so many bytes.
    ///
    /// # Errors
    /// `EntityTooSmall`.
    pub(crate) fn check_size(&self, size: u64) -> Result<(), Error> {
        if size < *self.sizes.start() {
            return Err(Error::new(Code::EntityTooSmall)
                .element("ProposedSize", size.to_string())
                .element("MinSizeAllowed", self.sizes.start().to_string()));
        }
        Ok(())
    }

    /// The answer for what was stored.
    pub(crate) fn write(&self, out: &mut Vec<u8>, context: &Context<'_>, stored: &Stored) {
        let place = format!("{}{}", self.base, escape(self.key.as_str()));
        let status = match self.success {
            Success::Status(status) => status,
            Success::Redirect(_) => 303,
        };
        let mut answer = Answer::new(out, context, status);
        answer.header("ETag", stored.etag);
        for checksum in &stored.checksums {
            answer.header(checksum.algorithm().header(), checksum);
        }
        if let Some(checksum) = stored.checksums.first() {
            answer.header("x-amz-checksum-type", checksum.kind().as_str());
        }
        match &self.success {
            Success::Redirect(url) => answer.header("Location", self.redirect(url, stored)),
            Success::Status(_) => answer.header("Location", &place),
        }
        match status {
            204 => answer.end(),
            201 => {
                let mut xml = Xml::new();
                xml.open("PostResponse");
                xml.text("Location", &place);
                xml.text("Bucket", self.bucket.as_str());
                xml.text("Key", self.key.as_str());
                xml.text("ETag", &stored.etag.to_string());
                xml.close("PostResponse");
                answer.document(xml);
            }
            _ => answer.empty(),
        }
    }

    /// The URL of success_action_redirect, with what was stored in its query.
    fn redirect(&self, url: &str, stored: &Stored) -> String {
        let (url, fragment) = url.split_at(url.find('#').unwrap_or(url.len()));
        let join = if url.contains('?') { '&' } else { '?' };
        let etag = stored.etag.to_string();
        let [bucket, key, etag] = [self.bucket.as_str(), self.key.as_str(), &etag].map(escape);
        format!("{url}{join}bucket={bucket}&key={key}&etag={etag}{fragment}")
    }
}

/// The fields with the name of the file where they ask for it, which is before a policy sees them.
fn expand(form: &Form, limits: &Limits) -> Result<Vec<(String, String)>, Error> {
    const VARIABLE: &str = "${filename}";
    let mut fields = Vec::new();
    for (name, value) in form.fields() {
        let more = value.matches(VARIABLE).count() * form.filename().len();
        if value.len() + more > limits.form {
            return Err(Error::new(Code::MaxPostPreDataLengthExceededError));
        }
        fields.push((name.clone(), value.replace(VARIABLE, form.filename())));
    }
    Ok(fields)
}

/// The headers of the PUT that would say the same.
fn headers(fields: &[(String, String)]) -> Result<Vec<Header<'_>>, Error> {
    let mut headers = Vec::new();
    for (name, value) in fields {
        let name = match name.as_str() {
            "acl" => "x-amz-acl",
            name if OWN.contains(&name) => continue,
            name if HEADERS.contains(&name) || name.starts_with("x-amz-") => name,
            _ => continue,
        };
        // They come back as headers.
        if !is_token(name) || value.chars().any(char::is_control) {
            return Err(Error::new(Code::InvalidArgument)
                .message(format!("The field '{name}' cannot be a header."))
                .argument(name, value));
        }
        headers.push(Header { name, value: value.as_bytes() });
    }
    Ok(headers)
}

/// Whether a browser can be sent there; S3 ignores what is no URL.
fn is_url(text: &str) -> bool {
    let behind = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    behind.is_some_and(|host| !host.is_empty() && !host.starts_with(['/', '?', '#']))
        && text.bytes().all(|b| b.is_ascii_graphic())
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn no_key() -> Error {
    Error::new(Code::InvalidArgument)
        .message(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the \
             order of the fields.",
        )
        .argument("key", "")
}

/// A form that ended before its file was whole.
pub(crate) fn unfinished(form: &Form, has_file: bool) -> Error {
    if form.is_closed() && !has_file {
        return Error::new(Code::InvalidArgument)
            .message("POST requires exactly one file upload per request.")
            .argument("file", "0");
    }
    malformed()
}
