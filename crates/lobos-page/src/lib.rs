//! The page that browsers see: one document with its style and its script in it, which then talks
//! S3 to the server that it came from. Nothing is loaded from anywhere else, and nothing is built.

use lobos_digest::{Algorithm, digest};

const DOCUMENT: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!("\"use strict\";\n", include_str!("sign.js"), include_str!("app.js"));

/// What the page must know of its server.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Nothing can be changed: no buttons for that.
    pub read_only: bool,
    /// Requests must be signed: the page asks for a key.
    pub keys: bool,
    /// Buckets can be made.
    pub root: bool,
    /// The region that signatures name, of letters, digits and `-`.
    pub region: String,
}

/// The page, as it is sent.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTML.
    pub document: String,
    /// Its Content-Security-Policy: it runs this script and no other, and loads and asks nothing
    /// but this server.
    pub policy: String,
}

/// Makes the page of a server.
pub fn page(setting: &Setting) -> Page {
    let flags = [
        (setting.read_only, "data-read-only"),
        (setting.keys, "data-keys"),
        (setting.root, "data-root"),
    ];
    let set = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name);
    let region = format!("data-region=\"{}\"", setting.region);
    let mode = set.chain([region.as_str()]).collect::<Vec<_>>().join(" ");
    let document = DOCUMENT.replacen("{mode}", &mode, 1);
    let document = document.replacen("{style}", STYLE, 1).replacen("{script}", SCRIPT, 1);
    let hash = |text: &str| digest(Algorithm::Sha256, text.as_bytes()).to_base64();
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; \
         connect-src 'self'; img-src 'self' data:; media-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    Page { document, policy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_alone() {
        // The page has less than 60 KiB, names no other place that something is loaded from, and
        // tells what its server is like.
        let setting = Setting { read_only: true, region: "us-east-1".into(), ..Setting::default() };
        let Page { document, policy } = page(&setting);
        assert!(document.len() < 60 << 10, "{}", document.len());
        assert!(document.contains("<html lang=\"en\" data-read-only data-region=\"us-east-1\">"));
        for other in ["https://", "//cdn", "@import", "url(", "import("] {
            assert!(!document.contains(other), "{other}");
        }
        let links = document.matches("http://").count();
        assert_eq!(links, document.matches("http://www.w3.org/2000/svg").count());
        assert!(policy.contains("default-src 'none'"));
    }

    #[test]
    fn whole() {
        // Nothing is left to be filled in, and neither script nor style can end early.
        let Page { document, .. } = page(&Setting::default());
        for hole in ["{mode}", "{style}", "{script}"] {
            assert!(!document.contains(hole), "{hole}");
        }
        for end in ["</script", "</style"] {
            assert_eq!(document.matches(end).count(), 1, "{end}");
        }
    }
}
