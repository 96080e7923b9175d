//! DeleteObject: removes one object.

use crate::http::head::Head;
use crate::s3::condition::{DeleteConditions, Tags};
use crate::{BucketName, Code, Error, Key, Timestamp};

/// Removes the object; a success also if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// What the object must be.
    pub conditions: DeleteConditions,
}

impl DeleteObject {
    /// # Errors
    /// `InvalidArgument` for a size or time that is none.
    pub(crate) fn parse(bucket: BucketName, key: Key, head: &Head<'_>) -> Result<Self, Error> {
        let invalid = |name: &str, value: &str| {
            Error::new(Code::InvalidArgument)
                .message(format!("The value of {name} is not valid."))
                .argument(name, value)
        };
        let size = match head.get(SIZE) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| invalid(SIZE, text))?),
        };
        let modified = match head.get(TIME) {
            None => None,
            Some(text) => Some(Timestamp::from_text(text).ok_or_else(|| invalid(TIME, text))?),
        };
        let matches = head.get("if-match").map(Tags::parse);
        Ok(Self { bucket, key, conditions: DeleteConditions { matches, size, modified } })
    }
}

const SIZE: &str = "x-amz-if-match-size";
const TIME: &str = "x-amz-if-match-last-modified-time";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn conditions(headers: &str) -> Result<DeleteConditions, Code> {
        let text = format!("DELETE /b/k HTTP/1.1\r\nHost: h{headers}\r\n\r\n");
        let parse = |head: &Head<'_>| {
            DeleteObject::parse(BucketName::new("b").unwrap(), Key::new("k").unwrap(), head)
        };
        let parsed = Head::parse(text.as_bytes(), &Limits::default(), parse).unwrap();
        parsed.map(|delete| delete.conditions).map_err(|e| e.code())
    }

    #[test]
    fn headers() {
        // Each condition is read, the time as an HTTP date or in ISO 8601, and nonsense is refused.
        assert_eq!(conditions(""), Ok(DeleteConditions::default()));
        let time = Some(Timestamp::from_unix(784_111_777, 0));
        for date in ["Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"] {
            let headers = format!("\r\nIf-Match: \"abc\"\r\n{SIZE}: 5\r\n{TIME}: {date}");
            let read = conditions(&headers).unwrap();
            assert_eq!((read.matches, read.size), (Some(Tags::parse("abc")), Some(5)));
            assert_eq!(read.modified, time, "{date}");
        }
        for bad in [
            format!("\r\n{SIZE}: -1"),
            format!("\r\n{SIZE}: many"),
            format!("\r\n{SIZE}: "),
            format!("\r\n{TIME}: yesterday"),
        ] {
            assert_eq!(conditions(&bad), Err(Code::InvalidArgument), "{bad}");
        }
    }
}
