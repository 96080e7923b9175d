//! Packing, and what is held against the file.

use super::*;

fn full() -> Meta {
    let text = |text: &str| Some(text.to_owned());
    let mut checksums = Algorithm::ALL.map(|a| Checksum::full(lobos_digest::digest(a, b"a")));
    checksums[3].parts = Some(70_000);
    Meta {
        stamp: Some(Stamp { mtime: 1, size: 27, inode: 3 }),
        md5: Some(lobos_digest::digest(Algorithm::Md5, b"a")),
        etag: ETag::new("abc-2"),
        checksums: checksums.to_vec(),
        parts: Some(Parts::Listed(vec![
            ObjectPart { number: 1, size: 5, checksum: Some(checksums[0].digest) },
            ObjectPart { number: 2, size: 5, checksum: Some(checksums[0].digest) },
            ObjectPart { number: 3, size: 5, checksum: Some(checksums[1].digest) },
            ObjectPart { number: 5, size: 6, checksum: None },
            ObjectPart { number: 6, size: 6, checksum: None },
        ])),
        upload: text("u1"),
        tags: vec![("a".into(), String::new()), ("b".into(), "c".into())],
        said: Metadata {
            content_type: text("a/b"),
            cache_control: text(""),
            content_disposition: text("ü"),
            content_encoding: text("gzip"),
            content_language: text("de"),
            expires: text("never"),
            website_redirect: text("/x"),
            user: vec![("a".into(), "1".into()), (String::new(), "ü".repeat(1000))],
        },
        key: text("a//b"),
        elsewhere: true,
    }
}

#[test]
fn round_trip() {
    // Everything that is packed comes back, but for parts that no object can have.
    let parts = Some(Parts::Uniform { count: 3, size: 1 << 40 });
    let checksum = Some(lobos_digest::digest(Algorithm::Sha512, b"a"));
    let part = |number| ObjectPart { number, size: 5, checksum };
    let most = Some(Parts::Listed((1..=10_000).map(part).collect()));
    for parts in [None, parts, most] {
        let meta = Meta { parts, ..Meta::default() };
        assert_eq!(Meta::unpack(&meta.pack().unwrap()), Some(meta));
    }
    assert_eq!(Meta::unpack(&full().pack().unwrap()), Some(full()));
    for numbers in [vec![0], vec![10_001], vec![2, 1], vec![u32::MAX]] {
        let parts = Some(Parts::Listed(numbers.into_iter().map(part).collect()));
        assert_eq!(Meta::unpack(&Meta { parts, ..Meta::default() }.pack().unwrap()), None);
    }
}

#[test]
fn nonsense() {
    // Bytes that are cut, changed or foreign are never a panic, and cut ones no metadata.
    let bytes = full().pack().unwrap();
    let whole = Meta::unpack(&bytes);
    for cut in 0..bytes.len() {
        assert_ne!(Meta::unpack(&bytes[..cut]), whole);
    }
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            let _ = Meta::unpack(&changed);
        }
    }
    assert_eq!([b"", &b"\x02"[..]].map(Meta::unpack), [None, None]);
}

#[test]
fn newer() {
    // A field, or a digest, that this version does not know is passed over.
    let mut bytes = Meta { etag: ETag::new("a"), ..Meta::default() }.pack().unwrap();
    bytes.extend_from_slice(&[200, 2, 0, 7, 7, CHECKSUM, 2, 0, 99, 7]);
    assert_eq!(Meta::unpack(&bytes).unwrap().etag, ETag::new("a"));
}

#[test]
fn too_large() {
    // A field that its length cannot tell is refused.
    let mut meta = full();
    meta.said.expires = Some("x".repeat(65_536));
    assert_eq!(meta.pack().unwrap_err().code(), Code::MetadataTooLarge);
}

#[test]
fn validity() {
    // What was said of other bytes says nothing of these, and parts that do not add up to an object
    // are none of it.
    let meta = full();
    let stamp = meta.stamp.unwrap();
    assert_eq!(meta.etag_of(&stamp), ETag::new("abc-2"));
    assert_eq!((meta.checksums_of(&stamp).len(), meta.parts_of(&stamp)), (10, full().parts));
    for other in
        [Stamp { mtime: 2, ..stamp }, Stamp { size: 2, ..stamp }, Stamp { inode: 2, ..stamp }]
    {
        assert_eq!(meta.etag_of(&other), None);
        assert_eq!((meta.checksums_of(&other), meta.parts_of(&other)), (vec![], None));
        assert_ne!(other.etag(), stamp.etag());
    }
    let odd = Meta { parts: Some(Parts::Uniform { count: 3, size: 5 }), ..meta };
    assert_eq!(odd.parts_of(&stamp), None);
}
