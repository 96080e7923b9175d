//! Names that are other spellings of ours, or of `.` and `..`, to a file system that does not take
//! names byte by byte: ext4 and tmpfs with casefold fold case and leave out what nobody sees, ZFS
//! with formKD takes letters of another make for plain ones, FAT and NTFS have short names beside
//! the long ones and drop what is at the end, and NTFS keeps streams behind a colon. Which of
//! them a bucket is on nobody tells, so such names are ours on all of them.

use crate::bucket::OURS;
use crate::key::TEMP;

/// Letters of another make that are in no row, each with the plain one.
const LETTERS: [(u8, &str); 9] = [
    (b'.', "․﹒"),
    (b'-', "﹣"),
    (b'b', "ᴮᵇℬ"),
    (b'l', "ˡᴸₗℒℓⅬⅼ"),
    (b'm', "ᴹᵐₘℳⅯⅿ"),
    (b'o', "ºᴼᵒₒℴ"),
    (b'p', "ᴾᵖₚℙ"),
    (b's', "ſˢₛ"),
    (b't', "ᵀᵗₜ"),
];

/// Whether some file system takes `name` for `.lobos`.
pub(crate) fn is_folder(name: &[u8]) -> bool {
    may_be(name) && (rest(name, OURS).is_some_and(is_nothing) || is_short(name))
}

/// Whether some file system takes `name` for one of our temporary files.
pub(crate) fn is_temp(name: &[u8]) -> bool {
    may_be(name) && (rest(name, TEMP).is_some() || is_short(name))
}

/// Whether some file system takes `name` for the folder itself or the one above.
pub(crate) fn is_dots(name: &[u8]) -> bool {
    let is = |dots| rest(name, dots).is_some_and(str::is_empty);
    may_be(name) && !name.is_ascii() && (is(".") || is(".."))
}

/// Nearly all names are none of these, and are looked at in a listing of a million, too.
fn may_be(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'.' | b'l' | b'L' | 0x80..))
}

/// What `name` has after `start`, which it has in whatever spelling. Bytes that are no text are
/// the same to nobody but themselves.
fn rest<'n>(name: &'n [u8], start: &str) -> Option<&'n str> {
    let mut chars = std::str::from_utf8(name).ok()?.chars();
    let mut start = start.as_bytes();
    loop {
        let left = chars.as_str();
        match chars.next() {
            Some(c) if is_unseen(c) => {}
            _ if start.is_empty() => return Some(left),
            Some('™') => start = start.strip_prefix(b"tm")?,
            Some('‥') => start = start.strip_prefix(b"..")?,
            Some(c) => start = start.strip_prefix(&[plain(c)?])?,
            None => return None,
        }
    }
}

/// Whether what follows a name is dropped: dots and spaces, and a stream of the same file.
fn is_nothing(rest: &str) -> bool {
    let rest = rest.trim_start_matches(|c| matches!(c, '.' | ' ') || is_unseen(c));
    rest.is_empty() || rest.starts_with(':')
}

/// Whether it is a short name that `.lobos` or a temporary file may have: `LOBOS~1`, or one with
/// four digits that were drawn behind its first two letters.
fn is_short(name: &[u8]) -> bool {
    let mut halves = name.splitn(2, |b| *b == b'~');
    let (Some(start), Some(number)) = (halves.next(), halves.next()) else { return false };
    let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    is_number
        && match start.to_ascii_lowercase().as_slice() {
            b"lobos" | b"lobos-" => true,
            [b'l', b'o', drawn @ ..] => drawn.len() == 4 && drawn.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        }
}

/// The small letter or sign of ASCII that `c` is a form of.
fn plain(c: char) -> Option<u8> {
    let row = |first: u32| u8::try_from((u32::from(c) - first) % 26).ok().map(|n| b'a' + n);
    match c {
        c if c.is_ascii() => u8::try_from(c).ok().map(|c| c.to_ascii_lowercase()),
        // Of mathematics, with a circle, in a square.
        '\u{1d400}'..='\u{1d6a3}' => row(0x1d400),
        'Ⓐ'..='Ⓩ' => row(0x24b6),
        'ⓐ'..='ⓩ' => row(0x24d0),
        '\u{1f130}'..='\u{1f149}' => row(0x1f130),
        // As wide as those of Chinese.
        '！'..='～' => u8::try_from(u32::from(c) - 0xfee0).ok().map(|c| c.to_ascii_lowercase()),
        c => LETTERS.iter().find(|(_, forms)| forms.contains(c)).map(|(plain, _)| *plain),
    }
}

/// What Unicode calls Default_Ignorable_Code_Point.
fn is_unseen(c: char) -> bool {
    matches!(u32::from(c),
        0xad | 0x34f | 0x61c | 0x115f..=0x1160 | 0x17b4..=0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff
        | 0xffa0 | 0xfff0..=0xfff8 | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        // `.lobos` is told however it is spelt.
        for name in [
            ".lobos",
            ".LOBOS",
            ".loboſ",
            ".LOBOſ",
            ".lo\u{200b}bos",
            "\u{feff}.lobos",
            ".lobos\u{ad}",
            ".\u{fe0f}l\u{2060}o\u{200f}bos\u{e0001}",
            "．ｌｏｂｏｓ",
            "․lobos",
            ".𝐥𝗈𝓫𝖔𝕤",
            ".ⓛⓄ🄱ºₛ",
            ".lobos.",
            ".lobos. .",
            ".lobos ",
            ".lobos:x",
            ".lobos::$INDEX_ALLOCATION",
            "LOBOS~1",
            "lobos~12",
            "LO1A2F~3",
        ] {
            assert!(is_folder(name.as_bytes()), "{name}");
        }
        for name in [
            "lobos",
            ".lobosé",
            ".lobos2",
            ".lobo",
            ".lobos-",
            ".lobo\u{301}s",
            ".lobos\u{301}",
            ".lóbos",
            "a.lobos",
            ".loboß",
            ".lobos.x",
            ". lobos",
            "..lobos",
            ".",
            "",
            "lobos~",
            "lobos~x",
            "lobosx~1",
            "LO1A2G~3",
            "LOGFIL~1",
            "ſ",
            "l",
            "é",
            "｡lobos",
            "\u{200b}",
        ] {
            assert!(!is_folder(name.as_bytes()), "{name}");
        }
        assert!(!is_folder(b".lobos\xff") && !is_folder(b".lob\xc5s"));
    }

    #[test]
    fn temporary_ones() {
        // Names of temporary files are told by their start, and what is no text by none.
        for name in
            [".lobos-tmp-1", ".LOBOS-TMP-1", ".lobos-\u{200d}tmp-", ".loboſ－™p-1", "LOBOS-~1"]
        {
            assert!(is_temp(name.as_bytes()), "{name}");
        }
        for name in [".lobos-tmp", ".lobos", "a.lobos-tmp-1", "lobos-tmp-1", ".lobos-tm-p-"] {
            assert!(!is_temp(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn dots() {
        // What is a dot or two to some file system is told, three and more are a name.
        for name in [".\u{200b}", "\u{200b}.", ".\u{ad}.", "․", "․․", "‥", "．\u{feff}."] {
            assert!(is_dots(name.as_bytes()), "{name}");
        }
        for name in ["...", "‥.", "…", "\u{200b}", "a", ".a", "é", "。", ""] {
            assert!(!is_dots(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn all_of_unicode() {
        // As many signs pass for those of `.lobos`, and as many are not seen, as Unicode 15 counts,
        // and three whose numbers nobody has since their letter was there before.
        let all = || (0x80..=0x0010_ffff).filter_map(char::from_u32);
        let alike = |c: &char| plain(*c).is_some_and(|plain| OURS.as_bytes().contains(&plain));
        assert_eq!(all().filter(alike).count(), 142 + 3);
        assert_eq!(all().filter(|c| is_unseen(*c)).count(), 4174);
        assert!(!all().any(|c| is_unseen(c) && plain(c).is_some()));
    }
}
