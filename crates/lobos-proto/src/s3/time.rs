//! Times as S3 writes and reads them.

use std::time::SystemTime;

use super::digits::{ascii, fill};

/// A point in time with nanoseconds since 1970-01-01 UTC, never before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Nanoseconds since 1970; 2554 is the last year.
    pub nanos: u64,
}

impl Timestamp {
    /// From `stat`: seconds and nanoseconds. Times outside 1970 to 2554 become the nearest.
    pub fn from_unix(secs: i64, nanos: u32) -> Self {
        let secs = u64::try_from(secs).unwrap_or(0);
        Self { nanos: secs.saturating_mul(1_000_000_000).saturating_add(u64::from(nanos)) }
    }

    /// Whole seconds since 1970.
    pub fn secs(self) -> u64 {
        self.nanos / 1_000_000_000
    }

    /// As in Last-Modified: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
    pub fn to_http(self) -> String {
        ascii(&self.http()).to_owned()
    }

    /// The bytes of [`Timestamp::to_http`].
    pub(crate) fn http(self) -> [u8; 29] {
        let (days, clock) = (self.secs() / 86400, self.secs() % 86400);
        let (year, month, day) = civil(days);
        let mut text = *b"---, 00 --- 0000 00:00:00 GMT";
        let name = |names: &[u8], at: u64| names.as_chunks::<3>().0[at as usize];
        // The first day of 1970 was a Thursday.
        text[..3].copy_from_slice(&name(b"ThuFriSatSunMonTueWed", days % 7));
        fill(&mut text[5..7], day);
        let months = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        text[8..11].copy_from_slice(&name(months, month - 1));
        fill(&mut text[12..16], year);
        fill(&mut text[17..19], clock / 3600);
        fill(&mut text[20..22], clock / 60 % 60);
        fill(&mut text[23..25], clock % 60);
        text
    }

    /// Reads any of the three forms of an HTTP date; `None` if it is none.
    pub fn from_http(text: &str) -> Option<Self> {
        let time = httpdate::parse_http_date(text).ok()?;
        let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(Self { nanos: u64::try_from(since.as_nanos()).ok()? })
    }

    /// Reads an HTTP date, or ISO 8601 as S3's XML has it: the one that [`Timestamp::to_iso8601`]
    /// writes, with or without a fraction of the second.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::from_http(text).or_else(|| Self::from_iso8601(text))
    }

    fn from_iso8601(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days(year, month, day)?;
        let secs = days * 86400 + hour * 3600 + minute * 60 + second;
        let digits = fraction.bytes().all(|b| b.is_ascii_digit()) && fraction.len() <= 9;
        let nanos: u64 = format!("{fraction:0<9}").parse().ok().filter(|_| digits)?;
        Some(Self { nanos: secs.checked_mul(1_000_000_000)?.checked_add(nanos)? })
    }

    /// As in S3's XML: `2026-11-24T12:00:00.000Z`, with milliseconds.
    pub fn to_iso8601(self) -> String {
        ascii(&self.iso8601()).to_owned()
    }

    /// The bytes of [`Timestamp::to_iso8601`].
    pub(crate) fn iso8601(self) -> [u8; 24] {
        let (days, clock) = (self.secs() / 86400, self.secs() % 86400);
        let (year, month, day) = civil(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        fill(&mut text[..4], year);
        fill(&mut text[5..7], month);
        fill(&mut text[8..10], day);
        fill(&mut text[11..13], clock / 3600);
        fill(&mut text[14..16], clock / 60 % 60);
        fill(&mut text[17..19], clock % 60);
        fill(&mut text[20..23], self.nanos / 1_000_000);
        text
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) }
    }
}

/// Three numbers of so many digits.
fn numbers(text: &str, separator: char, lengths: [usize; 3]) -> Option<[u64; 3]> {
    let mut found = [0; 3];
    let mut parts = text.split(separator);
    for (slot, length) in found.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length)?;
        *slot = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?;
    }
    parts.next().is_none().then_some(found)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is the last of its year.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

/// The other way round; `None` for a day that there is not, or before 1970.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let before_march = u64::from(month <= 2);
    let year_of_march = year.checked_sub(before_march)?;
    let of_year =
        (153 * (month + 12 * before_march).checked_sub(3)? + 2) / 5 + day.checked_sub(1)?;
    let (era, of_era) = (year_of_march / 400, year_of_march % 400);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    let days = days.checked_sub(719_468)?;
    (civil(days) == (year, month, day)).then_some(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        // One moment has the same date in both forms, and HTTP dates read back.
        let t = Timestamp::from_unix(784_111_777, 123_456_789);
        assert_eq!(t.to_http(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(t.to_iso8601(), "1994-11-06T08:49:37.123Z");
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(Timestamp::from_http(text).map(Timestamp::secs), Some(t.secs()), "{text}");
        }
        assert_eq!(Timestamp::from_http("yesterday"), None);
        assert_eq!(Timestamp::from_unix(-5, 3).secs(), 0);
    }

    #[test]
    fn texts() {
        // Either form reads back, and nothing else does.
        let t = Timestamp::from_unix(784_111_777, 123_000_000);
        assert_eq!(Timestamp::from_text(&t.to_iso8601()), Some(t));
        for text in ["1994-11-06T08:49:37Z", " Sun, 06 Nov 1994 08:49:37 GMT "] {
            assert_eq!(Timestamp::from_text(text).map(|t| t.nanos % 1_000_000_000), Some(0));
        }
        for bad in [
            "",
            "1994-11-06",
            "1994-11-06T08:49:37",
            "1994-13-06T08:49:37Z",
            "1994-00-06T08:49:37Z",
            "1994-11-31T08:49:37Z",
            "1995-02-29T08:49:37Z",
            "1994-11-00T08:49:37Z",
            "1969-12-31T23:59:59Z",
            "1994-11-06T08:60:37Z",
            "1994-11-06T25:49:37Z",
            "1994-11-6T08:49:37Z",
            "+994-11-06T08:49:37Z",
            "1994-11-06-01T08:49:37Z",
            "1994-11-06T08:49:37.xZ",
            "1994-11-06T08:49:37.1234567890Z",
            "1994-11-06T08:49:37+01:00",
        ] {
            assert_eq!(Timestamp::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn calendar() {
        // ISO dates agree with the HTTP dates of the same second on every day of 400 years, and are
        // read back; HTTP dates are those of the crate httpdate.
        for day in 0..146_097_u64 {
            let secs = day * 86_400 + day * 7 % 86_400;
            let t = Timestamp { nanos: secs * 1_000_000_000 };
            let http = t.to_http();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(secs);
            assert_eq!(http, httpdate::fmt_http_date(time));
            let iso = t.to_iso8601();
            assert_eq!(&iso[0..4], &http[12..16]);
            assert_eq!(&iso[8..10], &http[5..7]);
            assert_eq!(Timestamp::from_text(&iso), Some(t));
        }
    }
}
