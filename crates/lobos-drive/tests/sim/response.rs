//! A strict reader of what the server writes.

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads one answer from the front: it and its length, or `None` if it is not whole yet.
    pub(crate) fn read(bytes: &[u8], to_head: bool) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..end - 4]).expect("an answer of UTF-8");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("no status line: {head:?}"));
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
            assert!(!line.contains('\n') && !name.contains(' '), "{line:?}");
            (name.to_ascii_lowercase(), value.to_owned())
        };
        let mut answer = Self { status, headers: lines.map(header).collect(), body: Vec::new() };
        let length = answer.length(to_head);
        let body = bytes.get(end..end + length)?;
        answer.body = body.to_vec();
        Some((answer, end + length))
    }

    /// Whether these are the first bytes of an answer with this status.
    pub(crate) fn begins(bytes: &[u8], status: u16) -> bool {
        bytes.starts_with(format!("HTTP/1.1 {status} ").as_bytes())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The entity tag without its quotes.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.header("etag")?.strip_prefix('"')?.strip_suffix('"')
    }

    /// Whether the server says that it closes.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }

    /// The texts of all elements of that name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let text = std::str::from_utf8(&self.body).expect("XML of UTF-8");
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let inner = |part: &str| part.split(&close).next().unwrap_or_default().to_owned();
        let plain = |text: String| text.replace("&quot;", "\"").replace("&amp;", "&");
        text.split(&open).skip(1).map(inner).map(plain).collect()
    }

    fn length(&self, to_head: bool) -> usize {
        let bodiless = self.status < 200 || self.status == 204 || self.status == 304;
        let lengths = self.headers.iter().filter(|(name, _)| name == "content-length").count();
        assert!(self.header("transfer-encoding").is_none(), "{:?}", self.headers);
        if self.status >= 200 {
            assert!(self.header("date").is_some(), "{:?}", self.headers);
        }
        if bodiless || to_head {
            assert!(lengths == 0 || to_head, "a length without a body: {:?}", self.headers);
            return 0;
        }
        assert_eq!(lengths, 1, "{:?}", self.headers);
        let length = self.header("content-length").and_then(|value| value.parse().ok());
        length.expect("a Content-Length that is a number")
    }
}
