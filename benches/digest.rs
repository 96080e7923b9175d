//! What each digest costs for 1 MiB, alone and in the pairs that uploads need.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lobos_digest::{Algorithm, Hasher};

const SIZE: usize = 1 << 20;

fn run(algorithms: &[Algorithm], data: &[u8]) {
    let mut hasher = Hasher::new(algorithms.iter().copied());
    hasher.update(black_box(data));
    black_box(hasher.finish());
}

fn digests(criterion: &mut Criterion) {
    let data: Vec<u8> = (0..SIZE).map(|at| (at * 31 % 251) as u8).collect();
    let mut group = criterion.benchmark_group("1 MiB");
    group.throughput(Throughput::Bytes(SIZE as u64));
    for algorithm in Algorithm::ALL {
        group.bench_function(algorithm.name(), |bencher| bencher.iter(|| run(&[algorithm], &data)));
    }
    for pair in [
        [Algorithm::Md5, Algorithm::Crc64Nvme],
        [Algorithm::Md5, Algorithm::Crc32],
        [Algorithm::Md5, Algorithm::Sha256],
    ] {
        let name = format!("{} and {}", pair[0].name(), pair[1].name());
        group.bench_function(name, |bencher| bencher.iter(|| run(&pair, &data)));
    }
    group.finish();
}

criterion_group!(benches, digests);
criterion_main!(benches);
