//! The Content-Type that a name promises.

use lobos_proto::Metadata;

/// S3's own word for bytes of which nothing is known.
const UNKNOWN: &str = "binary/octet-stream";

/// Guesses from the extension.
pub(crate) fn guess(key: &str) -> &'static str {
    let name = key.rsplit('/').next().unwrap_or(key);
    let Some((stem, extension)) = name.rsplit_once('.') else { return UNKNOWN };
    if stem.is_empty() {
        return UNKNOWN;
    }
    // Data formats that the table does not know, and code that it takes for a video.
    match extension {
        "parquet" => "application/vnd.apache.parquet",
        "arrow" => "application/vnd.apache.arrow.file",
        "ts" | "tsx" | "mts" => "text/x-typescript",
        "zst" => "application/zstd",
        _ => mime_guess::from_ext(extension).first_raw().unwrap_or(UNKNOWN),
    }
}

/// What there is to keep of what a client said: not a Content-Type that the name gives anyhow.
pub(crate) fn unless_guessed(said: &Metadata, key: &str) -> Metadata {
    let mut kept = said.clone();
    if kept.content_type.as_deref() == Some(guess(key)) {
        kept.content_type = None;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        // The types that browsers and data tools need are known; a dot alone makes no extension.
        for (name, guessed) in [
            ("a/b.html", "text/html"),
            ("b.CSS", "text/css"),
            ("x.js", "text/javascript"),
            ("x.json", "application/json"),
            ("x.png", "image/png"),
            ("x.JPG", "image/jpeg"),
            ("x.webp", "image/webp"),
            ("x.avif", "image/avif"),
            ("x.svg", "image/svg+xml"),
            ("x.mp4", "video/mp4"),
            ("x.wasm", "application/wasm"),
            ("x.pdf", "application/pdf"),
            ("x.txt", "text/plain"),
            ("x.csv", "text/csv"),
            ("x.tar.gz", "application/gzip"),
            ("x.woff2", "font/woff2"),
            ("x.parquet", "application/vnd.apache.parquet"),
            ("x.ts", "text/x-typescript"),
            ("x.safetensors", UNKNOWN),
            ("html", UNKNOWN),
            (".html", UNKNOWN),
            ("a.html/b", UNKNOWN),
            ("a.html/", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(guess(name), guessed, "{name}");
        }
    }
}
