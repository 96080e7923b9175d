//! multipart/form-data (RFC 7578) read as a stream: fields, which are gathered, then one file,
//! whose bytes are never held.
//!
//! Bytes that may begin a delimiter are held back until the next ones tell. They are a prefix of
//! the delimiter, so if they turn out to be content the form can give them, wherever they came.

use httparse::{EMPTY_HEADER, parse_headers};
use memchr::memchr_iter;

use crate::{Code, Error, Limits};

/// The longest boundary (RFC 2046, section 5.1.1).
const BOUNDARY: usize = 70;

/// The most header lines of a part.
const HEADERS: usize = 16;

/// A form while it arrives.
#[derive(Debug)]
pub(crate) struct Form {
    /// CRLF, two hyphens, the boundary. The only CR in it is the first byte, so that a start of a
    /// delimiter which goes wrong holds no other start.
    delimiter: Vec<u8>,
    /// The start of a delimiter that came with earlier input.
    held: Vec<u8>,
    within: Within,
    /// The head or the field that is not whole yet.
    gathered: Vec<u8>,
    /// The name of that field.
    name: String,
    fields: Vec<(String, String)>,
    filename: String,
    /// Bytes that are not of the file.
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Preamble,
    Head,
    Field,
    File,
    /// Parts behind the file, which mean nothing.
    Rest,
    Closed,
}

/// What the consumed bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All were taken and more are needed.
    Need,
    /// They end where the file begins: the fields are whole.
    File,
    /// Bytes of the file, all of them.
    Data,
    /// None was taken: these, which came before, are bytes of the file.
    Held(Vec<u8>),
    /// They end the form.
    Closed,
}

/// Whether input goes on with a delimiter.
enum Fit {
    No,
    /// As far as it goes.
    Part,
    /// It ends after so many bytes; whether it is the last one.
    Whole(usize, bool),
}

impl Form {
    /// A form as its Content-Type says; `None` if that is not multipart/form-data.
    ///
    /// # Errors
    /// `MalformedPOSTRequest` without a boundary that can be one.
    pub(crate) fn new(content_type: &str) -> Result<Option<Self>, Error> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("multipart/form-data") {
            return Ok(None);
        }
        let boundary = parameter(content_type, "boundary").ok_or_else(malformed)?;
        let fits = (1..=BOUNDARY).contains(&boundary.len())
            && boundary.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if !fits {
            return Err(malformed());
        }
        Ok(Some(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            // The first delimiter has no line before it.
            held: b"\r\n".to_vec(),
            within: Within::Preamble,
            gathered: Vec::new(),
            name: String::new(),
            fields: Vec::new(),
            filename: String::new(),
            bytes: 0,
        }))
    }

    /// Takes bytes from the front of `data`: how many, and what they are.
    ///
    /// # Errors
    /// `MalformedPOSTRequest`, `MaxPostPreDataLengthExceededError`. The form cannot be read any
    /// further then.
    pub(crate) fn next(&mut self, data: &[u8], limits: &Limits) -> Result<(usize, Part), Error> {
        let mut at = 0;
        while at < data.len() {
            let rest = &data[at..];
            let fit = match self.within {
                Within::Closed => return Ok((data.len(), Part::Need)),
                Within::Head => {
                    let (used, whole) = self.gather_head(rest, limits)?;
                    at += used;
                    if whole && self.read_head()? {
                        return Ok((at, Part::File));
                    }
                    continue;
                }
                _ => self.fit(rest),
            };
            match fit {
                Fit::No if !self.held.is_empty() => {
                    let held = std::mem::take(&mut self.held);
                    if self.within == Within::File {
                        return Ok((at, Part::Held(held)));
                    }
                    self.content(&held, limits)?;
                }
                Fit::No => {
                    let starts = |cr: &usize| !matches!(self.fit(&rest[*cr..]), Fit::No);
                    let count = memchr_iter(b'\r', rest).find(starts).unwrap_or(rest.len());
                    at += count;
                    if self.within == Within::File {
                        return Ok((at, Part::Data));
                    }
                    self.content(&rest[..count], limits)?;
                }
                Fit::Part => {
                    self.held.extend_from_slice(rest);
                    at = data.len();
                }
                Fit::Whole(count, last) => {
                    at += count;
                    self.count(self.delimiter.len(), limits)?;
                    self.held.clear();
                    self.end_of_part(last, limits)?;
                    if last {
                        return Ok((at, Part::Closed));
                    }
                }
            }
        }
        Ok((at, Part::Need))
    }

    /// Whether the last delimiter has come.
    pub(crate) fn is_closed(&self) -> bool {
        self.within == Within::Closed
    }

    /// Names in lower case and values, in their order; of fields of the same name the first one.
    pub(crate) fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// The name of the file, without a path; empty if there is none.
    pub(crate) fn filename(&self) -> &str {
        self.filename.rsplit(['/', '\\']).next().unwrap_or_default()
    }

    fn fit(&self, data: &[u8]) -> Fit {
        let came = || self.held.iter().chain(data);
        for (end, last) in [(b"\r\n", false), (b"--", true)] {
            if self.delimiter.iter().chain(end).zip(came()).all(|(is, came)| is == came) {
                let left = self.delimiter.len() + end.len() - self.held.len();
                return if data.len() < left { Fit::Part } else { Fit::Whole(left, last) };
            }
        }
        Fit::No
    }

    /// Bytes of a part that is not the file.
    fn content(&mut self, bytes: &[u8], limits: &Limits) -> Result<(), Error> {
        self.count(bytes.len(), limits)?;
        if self.within == Within::Field {
            self.gathered.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize, limits: &Limits) -> Result<(), Error> {
        self.bytes += bytes;
        if self.bytes > limits.form {
            return Err(Error::new(Code::MaxPostPreDataLengthExceededError));
        }
        Ok(())
    }

    fn end_of_part(&mut self, last: bool, limits: &Limits) -> Result<(), Error> {
        if self.within == Within::Field {
            let value = String::from_utf8(std::mem::take(&mut self.gathered));
            let (name, value) = (std::mem::take(&mut self.name), value.map_err(|_| malformed())?);
            if self.fields.len() >= limits.fields {
                return Err(Error::new(Code::MaxPostPreDataLengthExceededError));
            }
            // Whatever a policy finds good is what is used: the first one.
            if self.fields.iter().all(|(n, _)| *n != name) {
                self.fields.push((name, value));
            }
        }
        self.within = match self.within {
            _ if last => Within::Closed,
            Within::File | Within::Rest => Within::Rest,
            _ => Within::Head,
        };
        Ok(())
    }

    /// Moves bytes into `gathered` until the empty line.
    fn gather_head(&mut self, data: &[u8], limits: &Limits) -> Result<(usize, bool), Error> {
        for (at, byte) in data.iter().enumerate() {
            self.count(1, limits)?;
            self.gathered.push(*byte);
            if self.gathered.ends_with(b"\r\n\r\n") || self.gathered == b"\r\n" {
                return Ok((at + 1, true));
            }
        }
        Ok((data.len(), false))
    }

    /// Whether the part with this head is the file.
    fn read_head(&mut self) -> Result<bool, Error> {
        let head = std::mem::take(&mut self.gathered);
        let mut headers = [EMPTY_HEADER; HEADERS];
        parse_headers(&head, &mut headers).map_err(|_| malformed())?;
        let is = |name: &str| name.eq_ignore_ascii_case("content-disposition");
        let header = headers.iter().find(|header| is(header.name)).ok_or_else(malformed)?;
        let disposition = std::str::from_utf8(header.value).map_err(|_| malformed())?;
        // minio-go holds us to it that a file without a name of its field is no field.
        let name = parameter(disposition, "name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(malformed)?;
        self.name = name.to_ascii_lowercase();
        self.within = Within::Field;
        if self.name == "file" {
            self.within = Within::File;
            self.filename = parameter(disposition, "filename").unwrap_or_default();
        }
        Ok(self.within == Within::File)
    }
}

/// The parameter of that name: `word; name=value; name="quoted \" value"`.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => {
                let quote = |at: &usize| !quoted[..*at].ends_with('\\');
                let end = quoted.match_indices('"').map(|(at, _)| at).find(quote)?;
                // Some browsers send whole paths: no other backslash is an escape.
                (quoted[..end].replace("\\\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = behind.trim_start().strip_prefix(';')?;
    }
}

/// What is not multipart/form-data as it should be.
pub(crate) fn malformed() -> Error {
    Error::new(Code::MalformedPOSTRequest)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Vec<(String, String)>, String, Option<Vec<u8>>, bool);

    /// Reads a form cut into pieces of these lengths, the last one for all that is left.
    fn read(input: &[u8], lengths: &[usize]) -> Result<Read, Code> {
        let limits = Limits { form: 700, fields: 5, ..Limits::default() };
        let mut form = Form::new("multipart/form-data; boundary=xYz").unwrap().unwrap();
        let mut file = None;
        let (mut at, mut end, mut turn) = (0, 0, 0);
        loop {
            let (used, part) = form.next(&input[at..end], &limits).map_err(|e| e.code())?;
            match part {
                Part::Need if end == input.len() => break,
                Part::Need => {
                    assert_eq!(at + used, end);
                    end = (end + lengths[turn.min(lengths.len() - 1)]).min(input.len());
                    turn += 1;
                }
                Part::File => file = Some(Vec::new()),
                Part::Data => file.as_mut().unwrap().extend_from_slice(&input[at..at + used]),
                Part::Held(held) => {
                    assert!(used == 0 && !held.is_empty());
                    file.as_mut().unwrap().extend(held);
                }
                Part::Closed => {}
            }
            at += used;
        }
        Ok((form.fields().to_vec(), form.filename().to_owned(), file, form.is_closed()))
    }

    fn part(name: &str, content: &str) -> String {
        format!("--xYz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    }

    fn file(content: &str) -> String {
        format!(
            "--xYz\r\nContent-Type: a/b\r\ncontent-disposition: form-data; filename=\"C:\\d\\f.txt\
             \"; name=file\r\n\r\n{content}\r\n"
        )
    }

    /// Looks like delimiters, all the way.
    const TRAPS: &str = "\r\n--xY\r\n--xYz\r\r\n--xYz-\r\n--xYzz\r\n\r\r\n-\r\n--xYz-\r\r\n--xYz\n\
        --xYz--\n--xYz\r\r\n--\r\n";

    #[test]
    fn cut_anywhere() {
        // Fields and file are the same however the form is cut, also if the content looks like
        // delimiters; what follows the file does not matter.
        for content in ["", "hello", TRAPS, "\r\n", "\r", "--xYz--", "\r\n--xY"] {
            let form = format!(
                "{}{}{}{}--xYz--\r\nepilogue",
                part("Key", "a b"),
                part("x", TRAPS),
                file(content),
                part("late", "x")
            );
            let fields = [("key".into(), "a b".into()), ("x".into(), TRAPS.into())].to_vec();
            let expected = (fields, "f.txt".into(), Some(content.as_bytes().to_vec()), true);
            let form = form.as_bytes();
            for first in 1..=form.len() {
                for lengths in [&[first][..], &[first, form.len()], &[first, 1, 2]] {
                    assert_eq!(read(form, lengths).as_ref(), Ok(&expected), "{lengths:?}");
                }
            }
        }
    }

    #[test]
    fn unfinished() {
        // A form is closed by its last delimiter and by nothing else.
        let form = format!("preamble\r\n{}{}--xYz--", part("a", "b"), file("c"));
        for cut in 0..=form.len() {
            let read = read(&form.as_bytes()[..cut], &[7]).unwrap();
            assert_eq!(read.3, cut == form.len(), "cut at {cut}");
        }
        let none = read(format!("{}--xYz--", part("a", "b")).as_bytes(), &[99]).unwrap();
        assert_eq!((none.2, none.3), (None, true));
    }

    #[test]
    fn refusals() {
        // Parts without a name, too many and too long ones are refused; the file has no limit.
        let code = |form: &str| read(form.as_bytes(), &[9]).unwrap_err();
        for bad in [
            "--xYz\r\n\r\nx\r\n--xYz--",
            "--xYz\r\nContent-Disposition: form-data\r\n\r\nx\r\n--xYz--",
            "--xYz\r\nContent-Type: x\r\n\r\nx\r\n--xYz--",
            "--xYz\r\nContent-Disposition: form-data; name=\"x\r\n\r\nx\r\n--xYz--",
            "--xYz\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nx\r\n--xYz--",
            "--xYz\r\nno colon\r\n\r\nx\r\n--xYz--",
        ] {
            assert_eq!(code(bad), Code::MalformedPOSTRequest, "{bad}");
        }
        let long = Code::MaxPostPreDataLengthExceededError;
        let many = |count: u8| (0..=count).map(|n| part(&n.to_string(), "y")).collect::<String>();
        assert_eq!(code(&many(6)), long);
        assert!(read(many(5).as_bytes(), &[9]).is_ok());
        assert_eq!(code(&part("x", &"y".repeat(700))), long);
        assert_eq!(code(&"y".repeat(701)), long);
        assert_eq!(code(&format!("--xYz\r\n{}", "y".repeat(700))), long);
        let rest = format!("{}--xYz\r\n{}", file("x"), "y".repeat(700));
        assert_eq!(code(&rest), long);
        assert!(read(file(&"y".repeat(9000)).as_bytes(), &[50]).is_ok());
    }

    #[test]
    fn content_types() {
        // Only multipart/form-data with a boundary is a form.
        let new = |kind| Form::new(kind).map(|form| form.is_some()).map_err(|e| e.code());
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        assert_eq!(new("Multipart/Form-Data; charset=\"a;b\"; Boundary=\"x y\""), Ok(true));
        assert_eq!(new("multipart/mixed; boundary=x"), Ok(false));
        assert_eq!(new("application/x-www-form-urlencoded"), Ok(false));
        for bad in ["multipart/form-data", "multipart/form-data; boundary=", &long] {
            assert_eq!(new(bad), Err(Code::MalformedPOSTRequest), "{bad}");
        }
    }

    #[test]
    fn parameters() {
        // Quoted and bare parameters are read in any order, with escaped quotes and paths.
        let header = "form-data; name=\"a\\\"b;=\"; filename=\"C:\\x\\y.txt\" ; z = w";
        assert_eq!(parameter(header, "NAME").as_deref(), Some("a\"b;="));
        assert_eq!(parameter(header, "filename").as_deref(), Some("C:\\x\\y.txt"));
        assert_eq!(parameter(header, "z").as_deref(), Some("w"));
        assert_eq!(parameter(header, "file"), None);
    }
}
