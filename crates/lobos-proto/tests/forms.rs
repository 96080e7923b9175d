//! Forms whose file is full of what looks like delimiters, in any framing, cut anywhere.

#![allow(clippy::disallowed_methods, reason = "what a test reads, the core does not")]

mod support;

use support::config;
use support::dice::{Dice, cases};
use support::driver::{Driver, Wait};
use support::memory::Memory;

/// What files are made of.
const PIECES: &[&str] = &[
    "\r\n--xYz",
    "\r\n--xY",
    "\r\n--xYzz",
    "\r\n--",
    "\r\n",
    "\r",
    "\n",
    "-",
    "--",
    "--xYz--",
    "xYz",
    "\r\r\n--xYz\r",
    "a",
    "hello",
];

fn content(dice: &mut Dice) -> Vec<u8> {
    let mut content = String::new();
    for _ in 0..dice.below(12) {
        let piece: &&str = dice.pick(PIECES);
        content += piece;
    }
    // Without those that really are delimiters, also together with what follows.
    content += "\r\n";
    while content.contains("\r\n--xYz\r\n") || content.contains("\r\n--xYz--") {
        content = content.replace("\r\n--xYz", "\r\n--xY");
    }
    content[..content.len() - 2].into()
}

fn form(content: &[u8]) -> Vec<u8> {
    let mut form = b"--xYz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n${filename}\r\n\
        --xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"k\"\r\n\r\n"
        .to_vec();
    form.extend_from_slice(content);
    form.extend_from_slice(b"\r\n--xYz--");
    form
}

/// The form as the body of a request: with its length, or in chunks.
fn request(form: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut request = b"POST /bench HTTP/1.1\r\nHost: localhost\r\n\
        Content-Type: multipart/form-data; boundary=xYz\r\n"
        .to_vec();
    if dice.once_in(2) {
        request.extend(format!("Content-Length: {}\r\n\r\n", form.len()).bytes());
        request.extend_from_slice(form);
        return request;
    }
    request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
    let largest = *dice.pick(&[1, 3, 9, 60]);
    let mut rest = form;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at((1 + dice.below(largest)).min(rest.len()));
        request.extend(format!("{:x}\r\n", chunk.len()).bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
        rest = behind;
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

#[test]
fn any_file_in_any_framing() {
    // The file is stored byte for byte, and the next request is read where it begins.
    for seed in 0..cases(6_000) {
        let mut dice = Dice::new(seed);
        let content = content(&mut dice);
        let mut input = request(&form(&content), &mut dice);
        input.extend_from_slice(b"HEAD /bench/k HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut driver = Driver::new(&config(|_| {}), &Memory::sample());
        let pieces = dice.below(30);
        let cuts = dice.cuts(input.len(), pieces);
        let mut start = 0;
        for end in cuts.into_iter().chain([input.len()]) {
            driver.receive(&input[start..end]);
            assert_eq!(driver.run(), Wait::Read, "seed {seed}");
            start = end;
        }
        let stored = driver.store.bytes("bench", "k");
        assert_eq!(stored.as_deref(), Some(&content[..]), "seed {seed}");
        let output = String::from_utf8(driver.output()).expect("heads");
        let length = format!("\r\nContent-Length: {}\r\n", content.len());
        assert!(output.contains("204 No Content") && output.contains(&length), "{output}");
    }
}

#[test]
fn too_large_in_any_pieces() {
    // A file over the limit has the same answer wherever it is cut.
    let mut input = format!(
        "POST /bench HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=xYz\r\n\r\n",
        form(b"twelve bytes").len()
    )
    .into_bytes();
    input.extend(form(b"twelve bytes"));
    let answer = |pieces: std::slice::Chunks<'_, u8>| {
        let config = config(|config| config.limits.object = 4);
        let mut driver = Driver::new(&config, &Memory::sample());
        for piece in pieces {
            driver.receive(piece);
            driver.run();
        }
        String::from_utf8(driver.output()).expect("XML")
    };
    let whole = answer(input.chunks(input.len()));
    assert!(whole.contains("<ProposedSize>5</ProposedSize>"), "{whole}");
    for length in 1..20 {
        assert_eq!(answer(input.chunks(length)), whole, "pieces of {length}");
    }
}
