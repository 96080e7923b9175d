//! A request that a web page of another origin sends: what it may do, and which headers let the
//! page read the answer.

use super::cors::{CorsRules, Rule, is_header_name};
use crate::http::head::Head;
use crate::http::host::{is_own_origin, origin_allowed};
use crate::{BucketName, Code, Config, Error};

/// Headers of an answer.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// Says who may embed an answer.
pub(crate) const EMBEDDING: &str = "Cross-Origin-Resource-Policy";

/// Methods of S3 that a page may ask for.
const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];

/// A page of another origin, and what it asks for.
#[derive(Debug)]
pub(crate) struct Visitor {
    origin: String,
    /// Of the request, or of the one that a preflight announces.
    method: String,
    /// Access-Control-Request-Headers.
    headers: String,
    pub(crate) is_preflight: bool,
    is_object: bool,
    /// It wants to show or run what it gets, without a word of who it is: what a page does with
    /// images and scripts.
    is_embed: bool,
    /// It makes, changes or removes a bucket, and no signature says that it may: to let objects
    /// be put is not to let the rules be changed.
    changes_bucket: bool,
    /// The bucket whose rules say what it may; `None` if there are none to be asked for.
    pub(crate) bucket: Option<BucketName>,
    /// `--cors-origin` lets it in.
    is_allowed: bool,
}

impl Visitor {
    /// The page that sent this; `None` if there is none, or it is the server's own.
    ///
    /// # Errors
    /// `BadRequest` for an OPTIONS that is no preflight.
    pub(crate) fn of(
        head: &Head<'_>,
        host: Option<&str>,
        place: (Option<BucketName>, bool),
        config: &Config,
    ) -> Result<Option<Self>, Error> {
        let is_preflight = head.method == "OPTIONS";
        let refused = |why: String| Err(Error::new(Code::BadRequest).message(why));
        let elsewhere = is_from_elsewhere(head);
        let origin = match head.get("origin") {
            Some(origin) if !origin.is_empty() => origin,
            // What cannot be read is foreign.
            None if head.has("origin") => "null",
            _ if is_preflight => {
                return refused("Insufficient information. Origin request header needed.".into());
            }
            Some(_) => "null",
            None if elsewhere && !is_visit(head) => "null",
            None => return Ok(None),
        };
        if is_own_origin(origin, host) && !elsewhere {
            return Ok(None);
        }
        let is_allowed = origin_allowed(origin, &config.origins);
        let asked = head.get("access-control-request-method");
        let method = if is_preflight { asked.unwrap_or("null") } else { head.method };
        if is_preflight && !is_allowed && !METHODS.contains(&method) {
            return refused(format!("Invalid Access-Control-Request-Method: {method}"));
        }
        let headers = head.get("access-control-request-headers").unwrap_or_default();
        if is_preflight && let Some(name) = names(headers).find(|name| !is_header_name(name)) {
            return refused(format!(
                "Access-Control-Request-Headers \"{name}\" contains invalid character."
            ));
        }
        let (bucket, is_object) = place;
        let changes_bucket =
            !is_object && matches!(method, "PUT" | "DELETE") && config.credentials.is_empty();
        Ok(Some(Self {
            origin: origin.to_owned(),
            method: method.to_owned(),
            headers: headers.to_owned(),
            is_preflight,
            is_object,
            is_embed: elsewhere && !head.has("origin"),
            changes_bucket,
            bucket: bucket.filter(|_| !is_allowed),
            is_allowed,
        }))
    }

    /// Whether it wants to change something.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }

    /// Whether it needs leave. Who only reads and says who it is needs none: a browser shows it
    /// nothing of the answer.
    pub(crate) fn needs_leave(&self) -> bool {
        self.is_write() || self.is_embed
    }

    /// What the answer says to the page; `None` if neither `--cors-origin` nor the rules of the
    /// bucket let it in.
    pub(crate) fn admit(&self, rules: Option<&CorsRules>) -> Option<Headers> {
        if self.is_allowed {
            return Some(self.embeddable(self.allowed()));
        }
        let asked = if self.is_preflight { self.headers.as_str() } else { "" };
        let asked: Vec<_> = names(asked).collect();
        let rule = rules?.find(&self.origin, &self.method, &asked)?;
        let headers = self.embeddable(self.ruled(rule, &asked));
        Some(headers).filter(|_| !self.changes_bucket)
    }

    fn embeddable(&self, mut headers: Headers) -> Headers {
        headers.extend(self.is_embed.then(|| (EMBEDDING, "cross-origin".to_owned())));
        headers
    }

    /// The answer to a page that is not let in.
    pub(crate) fn refusal(&self, rules: Option<&CorsRules>) -> Error {
        if !self.is_preflight {
            let why = match self.is_write() {
                true => {
                    "Web pages of this origin may not change anything here: neither the CORS rules \
                     of the bucket nor --cors-origin let them."
                }
                false => {
                    "Web pages of other origins may not embed what is here: neither the CORS rules \
                     of the bucket nor --cors-origin let all of them."
                }
            };
            return Error::new(Code::AccessDenied).message(why);
        }
        let error = Error::new(Code::AccessForbidden);
        let error = match rules {
            Some(_) => error,
            None => error.message("CORSResponse: CORS is not enabled for this bucket."),
        };
        let kind = if self.is_object { "OBJECT" } else { "BUCKET" };
        error.element("Method", &self.method).element("ResourceType", kind)
    }

    fn allowed(&self) -> Headers {
        let mut headers = vec![
            ("Access-Control-Allow-Origin", self.origin.clone()),
            ("Vary", "Origin".to_owned()),
            // Without it a page sees neither ETag nor Content-Range nor x-amz-*.
            ("Access-Control-Expose-Headers", "*".to_owned()),
        ];
        if self.is_preflight {
            headers.push(("Access-Control-Allow-Methods", METHODS.join(", ")));
            headers.push(("Access-Control-Allow-Headers", self.headers.clone()));
            headers.push(("Access-Control-Max-Age", 3000.to_string()));
        }
        headers
    }

    fn ruled(&self, rule: &Rule, asked: &[&str]) -> Headers {
        let any = rule.lets_in(&self.origin) == Some("*");
        let origin = if any { "*" } else { self.origin.as_str() };
        let mut headers = vec![
            ("Access-Control-Allow-Origin", origin.to_owned()),
            ("Access-Control-Allow-Methods", rule.methods()),
        ];
        if !asked.is_empty() {
            headers.push(("Access-Control-Allow-Headers", asked.join(", ")));
        }
        if !rule.exposed.is_empty() {
            headers.push(("Access-Control-Expose-Headers", rule.exposed.join(", ")));
        }
        if let Some(seconds) = rule.max_age {
            headers.push(("Access-Control-Max-Age", seconds.to_string()));
        }
        if !any {
            headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
        }
        let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
        headers.push(("Vary", vary.to_owned()));
        headers
    }
}

/// Whether the browser says that the page of another origin asks (Fetch Metadata). No page can say
/// otherwise, and who is no browser says nothing.
fn is_from_elsewhere(head: &Head<'_>) -> bool {
    match head.bytes("sec-fetch-site") {
        None | Some(b"" | b"same-origin" | b"none") => false,
        Some(_) => true,
    }
}

/// Whether somebody follows a link: then the browser shows the object itself and not the page.
fn is_visit(head: &Head<'_>) -> bool {
    matches!(head.method, "GET" | "HEAD") && head.get("sec-fetch-mode") == Some("navigate")
}

/// The names of a list of headers.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}
