//! Configurations of buckets: kept beside the objects, word for word, and gone with the bucket.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{Shop, all_quirks, bucket};
use lobos_fs::{Durability, FsStore, Layout, Options, Quirks};
use lobos_proto::op::{
    Configuration, CreateBucket, DeleteBucket, GetBucketConfiguration, PutBucketConfiguration,
};
use lobos_proto::{BucketName, Code, Outcome, Request, Response, Store};

const KIND: Configuration = Configuration::Tagging;

const LOGGING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <BucketLoggingStatus xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></BucketLoggingStatus>";

/// A document as the core hands it over.
fn tags(value: &str) -> String {
    let rest = format!("<TagSet><Tag><Key>k</Key><Value>{value}</Value></Tag></TagSet></Tagging>");
    let (start, space) = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", "doc/2006-03-01/");
    format!("{start}<Tagging xmlns=\"http://s3.amazonaws.com/{space}\">{rest}")
}

fn get(store: &FsStore, bucket: &BucketName, kind: Configuration) -> Result<String, Code> {
    let request = GetBucketConfiguration { bucket: bucket.clone(), kind };
    match store.call(Request::GetBucketConfiguration(request)).map_err(|e| e.code())? {
        Outcome::Done(Response::GetBucketConfiguration(document)) => Ok(document),
        _ => panic!("not a configuration"),
    }
}

fn put(store: &FsStore, bucket: &BucketName, document: Option<&str>) -> Result<(), Code> {
    let (removes, document) = (document.is_none(), document.map(str::to_owned));
    let request = PutBucketConfiguration { bucket: bucket.clone(), kind: KIND, document };
    match store.call(Request::PutBucketConfiguration(request)).map_err(|e| e.code())? {
        Outcome::Done(Response::DeleteBucketConfiguration) if removes => Ok(()),
        Outcome::Done(Response::PutBucketConfiguration(_)) if !removes => Ok(()),
        _ => panic!("not the answer"),
    }
}

#[test]
fn kept() {
    // A document comes back byte for byte, also from a new process, until it is replaced or
    // removed; none of it is an object, and nothing is written before the first.
    for quirks in all_quirks() {
        for durability in [Durability::Cache, Durability::Disk] {
            let options = Options { durability, ..Options::default() };
            let shop = Shop::with(options, quirks);
            let none = Err(Code::NoSuchTagSet);
            assert_eq!(get(&shop.store, &bucket(), KIND), none);
            put(&shop.store, &bucket(), None).unwrap();
            assert_eq!(shop.tree(), Vec::<String>::new());
            for document in ["ü", "", &"x".repeat(256), "b"].map(tags) {
                put(&shop.store, &bucket(), Some(&document)).unwrap();
                assert_eq!(get(&shop.store, &bucket(), KIND), Ok(document));
            }
            assert_eq!(get(&shop.another(options), &bucket(), KIND), Ok(tags("b")));
            assert_eq!(get(&shop.store, &bucket(), Configuration::Cors).ok(), None);
            assert_eq!((shop.keys(), shop.leftovers()), (vec![], vec![]));
            put(&shop.store, &bucket(), None).unwrap();
            assert_eq!(get(&shop.store, &bucket(), KIND), none);
        }
    }
}

#[test]
fn gone_with_the_bucket() {
    // CreateBucket keeps what it is given, DeleteBucket takes it along, and a bucket of the same
    // name begins without.
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::Root(dir.path().into());
    let store = FsStore::open_with(layout, Options::default(), Quirks::default()).unwrap();
    let name = BucketName::new("fresh").unwrap();
    let create = |configurations| {
        let request = CreateBucket { bucket: name.clone(), configurations };
        store.call(Request::CreateBucket(request)).map(drop).map_err(|e| e.code())
    };
    let given = vec![(KIND, tags("t")), (Configuration::Logging, LOGGING.to_owned())];
    create(given.clone()).unwrap();
    assert_eq!(get(&store, &name, KIND), Ok(tags("t")));
    assert_eq!(get(&store, &name, Configuration::Logging).as_deref(), Ok(LOGGING));
    put(&store, &name, Some(&tags("u"))).unwrap();
    assert_eq!(create(given), Err(Code::BucketAlreadyOwnedByYou));
    assert_eq!(get(&store, &name, KIND), Ok(tags("u")));
    store.call(Request::DeleteBucket(DeleteBucket { bucket: name.clone() })).unwrap();
    assert_eq!(get(&store, &name, KIND), Err(Code::NoSuchBucket));
    assert_eq!(put(&store, &name, Some(&tags("v"))), Err(Code::NoSuchBucket));
    assert_eq!(put(&store, &name, None), Err(Code::NoSuchBucket));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    create(Vec::new()).unwrap();
    assert_eq!(get(&store, &name, KIND), Err(Code::NoSuchTagSet));
    assert_eq!(fs::read_dir(dir.path().join("fresh")).unwrap().count(), 0);
}

#[test]
fn nonsense_in_its_place() {
    // What others put where a document should be is none, and is never followed or waited for.
    let shop = Shop::new();
    let folder = shop.path(".lobos/config");
    fs::create_dir_all(folder.join("tagging")).unwrap();
    assert_eq!(get(&shop.store, &bucket(), KIND), Err(Code::NoSuchTagSet));
    fs::remove_dir(folder.join("tagging")).unwrap();
    fs::write(shop.path("secret"), "<s/>").unwrap();
    std::os::unix::fs::symlink("../../secret", folder.join("tagging")).unwrap();
    assert_eq!(get(&shop.store, &bucket(), KIND), Err(Code::NoSuchTagSet));
    put(&shop.store, &bucket(), Some(&tags("t"))).unwrap();
    assert_eq!(fs::read(shop.path("secret")).unwrap(), b"<s/>");
    assert_eq!(get(&shop.store, &bucket(), KIND), Ok(tags("t")));
    for nonsense in [&b"\xff"[..], b"", b"<t/>", tags("t").trim_end_matches('>').as_bytes()] {
        fs::write(folder.join("tagging"), nonsense).unwrap();
        assert_eq!(get(&shop.store, &bucket(), KIND), Err(Code::NoSuchTagSet));
    }
}
