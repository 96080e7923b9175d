//! Golden conversations: `transcripts/*.txt` (notation: `support/notation.rs`), each replayed
//! whole, byte by byte, cut in two at every position, and cut anywhere with short writes.
//!
//! `LOBOS_BLESS=1 cargo test -p lobos-proto --test transcripts` writes what the server says now
//! into the files; look at the difference before you keep it.

#![allow(clippy::disallowed_methods, reason = "what a test reads, the core does not")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::dice::{Dice, cases};
use support::driver::{Driver, Event, Wait};
use support::memory::Memory;
use support::notation::{self, Script};

macro_rules! transcripts {
    ($($name:ident,)*) => {
        const NAMES: &[&str] = &[$(stringify!($name),)*];
        $(
            #[test]
            fn $name() {
                // This conversation is the golden one, however the bytes of the client are cut.
                check(stringify!($name));
            }
        )*
    };
}

transcripts![
    abort_multipart_upload,
    acl,
    append_object,
    auth_chunk_first,
    auth_chunk_last,
    auth_chunk_naked,
    auth_chunks,
    auth_header,
    auth_header_malformed,
    auth_header_wrong,
    auth_read_only,
    auth_trailer_naked,
    auth_trailer_wrong,
    auth_v2,
    complete_multipart_upload,
    connection_close,
    copy_object,
    copy_object_limit,
    cors_preflight,
    cors_requests,
    create_bucket,
    create_multipart_upload,
    delete_bucket,
    delete_bucket_configuration,
    delete_object,
    delete_objects,
    expect_continue,
    expect_with_body,
    get_bucket_configuration,
    get_bucket_location,
    get_object,
    get_object_attributes,
    get_object_conditions,
    get_object_if_range,
    get_object_part,
    half_closing_client,
    head_bucket,
    head_errors,
    head_object,
    health,
    health_with_keys,
    hosts,
    http_1_0,
    keys,
    large_refused_body,
    list_buckets,
    list_multipart_uploads,
    list_object_versions,
    list_objects_v1,
    list_objects_v2,
    list_parts,
    not_implemented,
    object_lock_and_restore,
    object_tagging,
    origins,
    pipelining,
    post_object,
    post_object_answers,
    post_object_continue,
    post_object_large_fields,
    post_object_large_file,
    post_object_malformed,
    post_object_policy,
    post_object_policy_malformed,
    post_object_refused,
    post_object_unfinished,
    preflight,
    presigned,
    presigned_refused,
    presigned_v2,
    presigned_without_keys,
    put_bucket_configuration,
    put_object,
    put_object_aws_chunked,
    put_object_checksums,
    put_object_conditions,
    put_object_md5,
    put_object_presigned,
    put_object_refused,
    put_object_sha256,
    read_only,
    rename_object,
    small_refused_body,
    truncated_body,
    upload_part,
    upload_part_copy,
    upload_part_too_large,
];

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What happened in each turn of the client.
type Events = Vec<Vec<Event>>;

/// Between one cut in two and the next: each position is tried, but not by Miri.
const STEP: usize = if cfg!(miri) { 400 } else { 1 };

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")
}

#[test]
fn every_file_is_replayed() {
    // No transcript lies in the folder without a test.
    let mut files: Vec<_> = fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, NAMES.iter().map(|name| format!("{name}.txt")).collect::<Vec<_>>());
}

#[test]
fn notation_round_trip() {
    // What the notation writes it reads back as the same bytes.
    let bytes = b"A: b\\c\xff\r\n\r\n<a>\n<b></b></a>\x00\rxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx--";
    let written = notation::write(&[Event::Sent(bytes.to_vec())], false);
    let script = Script::parse(&written.replacen("<<", ">>", 1));
    assert_eq!(script.turns[0].input.as_deref(), Some(&bytes[..]), "{written}");
}

fn check(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let script = Script::parse(&fs::read_to_string(&path).expect("a transcript"));
    let whole = replay(&script, |_, _| Vec::new(), None);
    let last = whole.len() - 1;
    let answers = whole.iter().enumerate().map(|(at, events)| notation::write(events, at == last));
    let answers: Vec<_> = answers.collect();
    if std::env::var_os("LOBOS_BLESS").is_some() {
        fs::write(&path, script.with(&answers)).expect("a transcript to write");
        return;
    }
    for (turn, answer) in script.turns.iter().zip(&answers) {
        assert_eq!(&turn.answer, answer, "{name}: this is not what was to be answered");
    }
    let expected = comparable(&script, whole);
    let same = |events, how: &str| {
        let events = comparable(&script, events);
        if let Some(turn) = (0..expected.len()).find(|at| events.get(*at) != expected.get(*at)) {
            let shown = |events: &Events| events.get(turn).map(|e| notation::write(e, false));
            assert_eq!(shown(&events), shown(&expected), "{name} {how}, turn {turn}");
            panic!("{name} {how}: turn {turn} asks the store for something else");
        }
    };
    same(replay(&script, |_, length| (1..length).collect(), None), "byte by byte");
    for (number, turn) in script.turns.iter().enumerate() {
        let length = turn.input.as_ref().map_or(0, Vec::len);
        for at in (1..length).step_by(STEP) {
            let cut = |turn, _| if turn == number { vec![at] } else { Vec::new() };
            same(replay(&script, cut, None), &format!("turn {number} cut at {at}"));
        }
    }
    for seed in 0..cases(200) {
        let mut dice = Dice::new(seed);
        let writes = dice.clone();
        let cuts = |_, length| dice.cuts(length, 1 + seed as usize % 20);
        same(replay(&script, cuts, Some(writes)), &format!("with seed {seed}"));
    }
}

/// Plays the client: what happened in each of its turns. `cuts` says where the input of a turn,
/// of this number and length, is cut into pieces.
fn replay(
    script: &Script,
    mut cuts: impl FnMut(usize, usize) -> Vec<usize>,
    dice: Option<Dice>,
) -> Events {
    let mut driver = Driver::new(&script.config(), &Memory::sample());
    driver.dice = dice;
    let mut wait = driver.run();
    let mut events = Vec::new();
    for (number, turn) in script.turns.iter().enumerate() {
        assert_eq!(wait, Wait::Read, "turn {number}: the client speaks to nobody");
        let Some(input) = &turn.input else {
            driver.connection.peer_closed();
            wait = driver.run();
            assert_eq!(wait, Wait::Closed, "turn {number}: nobody is there");
            events.push(std::mem::take(&mut driver.log));
            continue;
        };
        let mut start = 0;
        for end in cuts(number, input.len()).into_iter().chain([input.len()]) {
            if wait == Wait::Read {
                driver.receive(&input[start..end]);
                wait = driver.run();
            }
            start = end;
        }
        events.push(std::mem::take(&mut driver.log));
    }
    events
}

/// Without `100 Continue` where the script says that it depends on the cuts.
fn comparable(script: &Script, mut events: Events) -> Events {
    if script.says("interim") {
        for event in events.iter_mut().flatten() {
            if let Event::Sent(bytes) = event
                && bytes.starts_with(CONTINUE)
            {
                bytes.drain(..CONTINUE.len());
            }
        }
        for turn in &mut events {
            turn.retain(|event| *event != Event::Sent(Vec::new()));
        }
    }
    events
}
