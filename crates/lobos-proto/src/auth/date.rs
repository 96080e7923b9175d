//! Times as signatures have them: `20130524T000000Z`.

use std::time::Duration;

use crate::Timestamp;

/// Whether it is eight digits.
pub(super) fn is_day(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Reads `yyyyMMdd'T'HHmmss'Z'`; `None` for anything else and for times that do not exist.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let (day, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let digits = clock.len() == 6 && clock.bytes().all(|b| b.is_ascii_digit());
    if !is_day(day) || !digits {
        return None;
    }
    let number = |part: &str| part.parse::<u64>().ok();
    let (year, month, day) = (number(&day[..4])?, number(&day[4..6])?, number(&day[6..])?);
    let (hour, minute, second) =
        (number(&clock[..2])?, number(&clock[2..4])?, number(&clock[4..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + u64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month.checked_sub(1)?).ok()?;
    let exists = year >= 1970
        && (1..=*lengths.get(month)?).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !exists {
        return None;
    }
    // Leap days before this year, counted from the year 1.
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let days = days + lengths[..month].iter().sum::<u64>() + day - 1;
    let secs = days * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_unix(i64::try_from(secs).ok()?, 0))
}

/// Reads the times that Date and x-amz-date may have: that, and those of HTTP. Old tools write
/// the zone of the latter in another way (rclone: UTC, boto: +0000).
pub(super) fn any(text: &str) -> Option<Timestamp> {
    let http = |text: &str| {
        let start = ["UTC", "+0000", "-0000"].iter().find_map(|zone| text.strip_suffix(zone));
        match start {
            Some(start) => Timestamp::from_http(&format!("{start}GMT")),
            None => Timestamp::from_http(text),
        }
    };
    parse(text).or_else(|| http(text))
}

/// Writes what [`parse`] reads.
pub(super) fn basic(time: Timestamp) -> String {
    seconds(time).chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// As in S3's errors: `2013-05-24T00:00:00Z`.
pub(super) fn seconds(time: Timestamp) -> String {
    let iso = time.to_iso8601();
    format!("{}Z", iso.get(..19).unwrap_or(&iso))
}

/// So much later.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
    Timestamp { nanos: time.nanos.saturating_add(nanos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        // Every day of 400 years is read as it was written, and the times that are none are not.
        for day in 0..146_097_i64 {
            let time = Timestamp::from_unix(day * 86_400 + day % 86_400, 0);
            assert_eq!(parse(&basic(time)), Some(time), "{}", basic(time));
        }
        let known = Timestamp::from_unix(1_369_353_600, 0);
        assert_eq!(parse("20130524T000000Z"), Some(known));
        assert_eq!(seconds(known), "2013-05-24T00:00:00Z");
        for bad in [
            "",
            "20130524",
            "20130524T000000",
            "20130524T000000z",
            "20130229T000000Z",
            "20131301T000000Z",
            "20130001T000000Z",
            "20130100T000000Z",
            "20130101T240000Z",
            "20130101T006000Z",
            "19691231T235959Z",
            "2013-05-24T00:00:00Z",
            "+0130524T000000Z",
            "20130524T+00000Z",
            "2013\u{e9}24T000000Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
