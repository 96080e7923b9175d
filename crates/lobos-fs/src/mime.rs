//! The Content-Type that a name promises.

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
