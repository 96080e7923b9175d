//! The page for people: who is to see it.

use crate::http::head::Head;

/// Whether a browser opens the address, for a person to look at. Java's own client asks for HTML
/// first, too, and signs nothing unless it is told to.
pub(super) fn is_browser(head: &Head<'_>) -> bool {
    let wants = |accept: &str| {
        let first = accept.split([',', ';']).next().unwrap_or_default();
        first.trim().eq_ignore_ascii_case("text/html")
    };
    matches!(head.method, "GET" | "HEAD")
        && head.get("accept").is_some_and(wants)
        && !head.has("authorization")
        && !head.get("user-agent").is_some_and(|agent| agent.starts_with("Java/"))
}
