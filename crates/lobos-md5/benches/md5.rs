//! What MD5 costs for a MiB: alone, and for each of several streams that go together.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lobos_md5::{Md5, Shared, Together};

const MIB: usize = 1 << 20;

fn alone(criterion: &mut Criterion) {
    let data = vec![7; MIB];
    let mut group = criterion.benchmark_group("alone");
    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("1 MiB", |bencher| {
        bencher.iter(|| {
            let mut md5 = Md5::new();
            md5.update(black_box(&data));
            md5.finish()
        });
    });
    group.finish();
}

/// Time per MiB of one stream: `count` streams of `size` bytes in slices of at most 256 KiB, all
/// of which have their last slice before the first one is finished.
fn together(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("together, per MiB of a stream");
    for (count, size) in [(1, MIB), (2, MIB), (8, MIB), (16, MIB), (50, MIB)]
        .into_iter()
        .chain([1, 4, 8, 16, 50].map(|count| (count, 32 << 10)))
    {
        let data: Vec<Vec<u8>> = (0..count).map(|at| vec![at as u8; size]).collect();
        let place = Together::new();
        group.bench_function(format!("{count} of {} KiB", size >> 10), |bencher| {
            bencher.iter_custom(|times| {
                let start = Instant::now();
                for _ in 0..times {
                    let mut open: Vec<Shared> = (0..count).map(|_| place.begin()).collect();
                    for begin in (0..size).step_by(256 << 10) {
                        let end = size.min(begin + (256 << 10));
                        for (one, data) in open.iter_mut().zip(&data) {
                            one.update(black_box(&data[begin..end]));
                        }
                    }
                    for one in open {
                        black_box(one.finish());
                    }
                }
                let mibs = (count * size) as f64 / MIB as f64;
                Duration::from_secs_f64(start.elapsed().as_secs_f64() / mibs)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, alone, together);
criterion_main!(benches);
