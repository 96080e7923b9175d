//! Keys aside in listings: many of them, in pages, while they come and go.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::{Shop, bucket, delete};
use lobos_proto::op::{ListObjects, ListingVersion, Page};
use lobos_proto::{Outcome, Request, Response, Store};

fn page(shop: &Shop, after: Option<String>, max_keys: u32, encode: bool) -> Page {
    let request = ListObjects {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: None,
        max_keys,
        after,
        encode,
        version: ListingVersion::V2 { start_after: None, token: None, fetch_owner: false },
    };
    match shop.store.call(Request::ListObjects(request)) {
        Ok(Outcome::Done(Response::ListObjects(page))) => *page,
        _ => panic!("no page"),
    }
}

/// All keys, in pages of so many, and what to do between them.
fn keys(shop: &Shop, max_keys: u32, mut between: impl FnMut()) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = page(shop, after, max_keys, true);
        all.extend(page.objects.iter().map(|object| object.key.clone()));
        assert!(page.objects.len() == max_keys as usize || page.next.is_none());
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
        between();
    }
}

#[test]
fn come_and_go() {
    // Whatever comes and goes between two pages, each key that was there throughout is listed
    // once, in order, with ordinary ones between them; short and long ones, remembered or not.
    let shop = Shop::new();
    let mut lasting = BTreeSet::new();
    for at in 0..400 {
        let long = "l".repeat(if at % 7 == 0 { 300 } else { 1 });
        let key =
            [format!("a//{at:04}"), format!("/{at}{long}"), format!("o{at:04}")][at % 3].clone();
        shop.put(&key, at.to_string().as_bytes());
        lasting.insert(key);
    }
    for max_keys in [1, 7, 1000] {
        let mut turn = 0;
        let listed = keys(&shop, max_keys, || {
            turn += 1;
            if turn % 3 == 0 {
                std::thread::sleep(Duration::from_millis(if turn % 30 == 0 { 25 } else { 0 }));
                shop.put(&format!("a//{:04}-passing", turn % 400), b"");
                let long = "l".repeat(300);
                shop.put(&format!("/{}{long}-passing", turn % 400), b"");
                let _ = delete(&shop.store, &format!("a//{:04}-passing", (turn + 90) % 400));
            }
        });
        assert!(listed.is_sorted_by(|a, b| a < b));
        let listed: BTreeSet<String> =
            listed.into_iter().filter(|key| !key.ends_with("-passing")).collect();
        assert_eq!(listed, lasting, "{max_keys}");
        shop.page();
    }
}

#[test]
fn seen_at_once() {
    // A key that was put or deleted is in the next listing, or not, however short before; also
    // when what was remembered was true until then.
    let shop = Shop::new();
    for turn in 0..60_u64 {
        let key = if turn % 2 == 0 { "a//b".to_owned() } else { format!("/{}", "x".repeat(400)) };
        std::thread::sleep(Duration::from_millis(
            [0, 0, 5, 25][usize::try_from(turn % 4).unwrap()],
        ));
        assert_eq!(shop.keys(), [""; 0]);
        shop.put(&key, b"");
        assert_eq!(shop.keys(), [key.as_str()]);
        std::thread::sleep(Duration::from_millis(turn % 3 * 13));
        assert_eq!(shop.keys(), [key.as_str()]);
        shop.delete(&key);
    }
}

#[test]
fn no_xml() {
    // A key that XML cannot have is left out without encoding-type, and the page is full; with it
    // the key is there.
    let shop = Shop::new();
    for key in ["a", "b\u{1}", "b\u{1f}/c", "c\t", "d\u{ffff}", "e", "f\u{7f}"] {
        shop.put(key, b"");
    }
    let keys = |page: &Page| page.objects.iter().map(|o| o.key.clone()).collect::<Vec<_>>();
    let plain = page(&shop, None, 4, false);
    assert_eq!(
        (keys(&plain), plain.next),
        (["a", "c\t", "e", "f\u{7f}"].map(String::from).into(), None)
    );
    let encoded = page(&shop, None, 4, true);
    let first: Vec<String> = ["a", "b\u{1}", "b\u{1f}/c", "c\t"].map(String::from).into();
    assert_eq!((keys(&encoded), encoded.next), (first, Some("c\t".into())));
}
