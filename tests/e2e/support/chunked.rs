//! Bodies as clients frame them: HTTP chunks, and aws-chunked in its four forms.

/// How an aws-chunked body is framed; the names are values of x-amz-content-sha256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD
    Signed,
    /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
    SignedTrailer,
    /// STREAMING-UNSIGNED-PAYLOAD-TRAILER
    UnsignedTrailer,
}

impl Form {
    /// The value of x-amz-content-sha256.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }
}

/// Any signature does: there are no keys.
const SIGNATURE: &str = "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497";

/// Frames `payload` in chunks of `size` with trailer lines (`name:value`) at the end.
pub(crate) fn aws(form: Form, payload: &[u8], size: usize, trailers: &[&str]) -> Vec<u8> {
    let extension = match form {
        Form::Signed | Form::SignedTrailer => format!(";chunk-signature={SIGNATURE}"),
        Form::UnsignedTrailer => String::new(),
    };
    let mut out = Vec::new();
    for chunk in payload.chunks(size) {
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0{extension}\r\n").as_bytes());
    for line in trailers {
        out.extend_from_slice(format!("{line}\r\n").as_bytes());
    }
    if form == Form::SignedTrailer {
        out.extend_from_slice(format!("x-amz-trailer-signature:{SIGNATURE}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Frames `payload` in HTTP chunks of `size`.
pub(crate) fn http(payload: &[u8], size: usize) -> Vec<u8> {
    aws(Form::UnsignedTrailer, payload, size, &[])
}
