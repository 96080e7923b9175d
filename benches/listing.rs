//! What a page of 1,000 keys costs in a folder of 1,000,000 names, and what the first one costs;
//! in 1,000 folders, in 100,000 folders of one file, and with an index.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use lobos_fs::{FsStore, Layout, Options};
use lobos_proto::op::{ListObjects, ListingVersion, Page};
use lobos_proto::{BucketName, Outcome, Request, Response, Store};

const NAMES: usize = 1_000_000;

fn fill(dir: &Path) {
    // In no order, as real folders are: 7 and 10 have no common factor.
    for at in (0..NAMES).map(|at| at * 7_777_777 % NAMES) {
        std::fs::File::create(dir.join(name(at))).expect("a file can be made");
    }
    // Snapshots of folders that have just changed are not kept.
    std::thread::sleep(Duration::from_millis(50));
}

fn fill_folders(dir: &Path) {
    for folder in 0..1000 {
        let folder = dir.join(format!("{folder:03}"));
        std::fs::create_dir(&folder).expect("a folder can be made");
        for at in 0..NAMES / 1000 {
            std::fs::File::create(folder.join(format!("{at:03}"))).expect("a file can be made");
        }
    }
    std::thread::sleep(Duration::from_millis(50));
}

fn fill_single(dir: &Path) {
    for folder in 0..NAMES / 10 {
        let folder = dir.join(format!("{folder:05}"));
        std::fs::create_dir(&folder).expect("a folder can be made");
        std::fs::File::create(folder.join("only")).expect("a file can be made");
    }
    std::thread::sleep(Duration::from_millis(50));
}

fn name(at: usize) -> String {
    format!("part-{}_object-{at:08}", at / 100_000)
}

fn open(dir: &Path) -> FsStore {
    open_with(dir, Options::default())
}

/// With an index that is whole.
fn open_indexed(dir: &Path) -> FsStore {
    let store = open_with(dir, Options { index: true, ..Options::default() });
    while !store.index_progress().expect("there is an index").is_whole() {
        std::thread::sleep(Duration::from_millis(10));
    }
    store
}

fn open_with(dir: &Path, options: Options) -> FsStore {
    let layout = Layout::Dirs(vec![("bench".into(), dir.into())]);
    FsStore::open(layout, options).expect("the folder is there")
}

fn page(store: &FsStore, after: Option<String>, max_keys: u32, delimiter: Option<&str>) -> Page {
    let request = ListObjects {
        bucket: BucketName::new("bench").expect("a valid name"),
        prefix: String::new(),
        delimiter: delimiter.map(String::from),
        max_keys,
        after,
        encode: false,
        version: ListingVersion::V2 { start_after: None, token: None, fetch_owner: false },
    };
    match store.call(Request::ListObjects(request)) {
        Ok(Outcome::Done(Response::ListObjects(page))) => *page,
        _ => panic!("no page"),
    }
}

fn listing(criterion: &mut Criterion) {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let dir = made.expect("a temporary folder");
    fill(dir.path());
    let mut group = criterion.benchmark_group("listing");
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.bench_function("first page of 1,000,000 names, cold", |bencher| {
        bencher.iter_custom(|times| {
            let cold = |_| {
                let store = open(dir.path());
                let began = Instant::now();
                assert_eq!(page(&store, None, 1000, None).objects.len(), 1000);
                began.elapsed()
            };
            (0..times).map(cold).sum()
        });
    });
    let store = open(dir.path());
    let middle = || Some(name(NAMES / 2));
    assert_eq!(page(&store, middle(), 1000, None).next, Some(name(NAMES / 2 + 1000)));
    group.sample_size(50);
    group.bench_function("page of 1,000 from the middle of 1,000,000", |bencher| {
        bencher.iter(|| black_box(page(&store, middle(), 1000, Some("/"))));
    });
    group.bench_function("page of 1 from the middle of 1,000,000", |bencher| {
        bencher.iter(|| black_box(page(&store, middle(), 1, Some("/"))));
    });
    group.bench_function("1,000,000 keys in 10 common prefixes", |bencher| {
        bencher.iter(|| {
            let page = page(&store, None, 1000, Some("_"));
            assert_eq!(page.prefixes.len(), 10);
            black_box(page)
        });
    });
    let indexed = open_indexed(dir.path());
    group.bench_function("page of 1,000 from the middle, with the index", |bencher| {
        bencher.iter(|| black_box(page(&indexed, middle(), 1000, None)));
    });
    group.finish();
}

fn folders(criterion: &mut Criterion) {
    tree(
        criterion,
        "listing 1,000 folders of 1,000",
        fill_folders,
        "500/499",
        "across two folders",
    );
}

fn single(criterion: &mut Criterion) {
    tree(
        criterion,
        "listing 100,000 folders of one",
        fill_single,
        "50000/only",
        "in as many folders",
    );
}

/// A page of keys from the middle, and one of common prefixes, without and with the index.
fn tree(criterion: &mut Criterion, name: &str, fill: fn(&Path), middle: &str, page_is: &str) {
    let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let dir = made.expect("a temporary folder");
    fill(dir.path());
    let mut group = criterion.benchmark_group(name);
    for (with, store) in [("", open(dir.path())), (", with the index", open_indexed(dir.path()))] {
        let after = || Some(middle.to_owned());
        assert_eq!(page(&store, after(), 1000, None).objects.len(), 1000);
        group.bench_function(format!("page of 1,000 {page_is}{with}"), |bencher| {
            bencher.iter(|| black_box(page(&store, after(), 1000, None)));
        });
        group.bench_function(format!("1,000 common prefixes{with}"), |bencher| {
            bencher.iter(|| black_box(page(&store, None, 1000, Some("/"))));
        });
    }
    group.finish();
}

criterion_group!(benches, listing, folders, single);
criterion_main!(benches);
