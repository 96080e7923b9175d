//! One running digest: the only file that knows the crates which do the work.

use std::hash::Hasher as _;

use crc_fast::CrcAlgorithm;
use lobos_md5::{Md5, Shared};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use twox_hash::{XxHash3_64, XxHash3_128, XxHash64};

use crate::{Algorithm, Digest};

/// S3 uses no seed for any XXH.
const SEED: u64 = 0;

/// A digest that is under way, 384 bytes; XXH3 has its secret on the heap as well
pub(crate) enum State {
    Crc32(crc32fast::Hasher),
    Crc32c(crc_fast::Digest),
    Crc64Nvme(crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
    Md5(Md5),
    SharedMd5(Shared),
    Sha512(Sha512),
    Xxh3(XxHash3_64),
    Xxh64(XxHash64),
    Xxh128(XxHash3_128),
}

impl State {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        let crc = crc_fast::Digest::new;
        match algorithm {
            Algorithm::Crc32 => State::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => State::Crc32c(crc(CrcAlgorithm::Crc32Iscsi)),
            Algorithm::Crc64Nvme => State::Crc64Nvme(crc(CrcAlgorithm::Crc64Nvme)),
            Algorithm::Sha1 => State::Sha1(Sha1::new()),
            Algorithm::Sha256 => State::Sha256(Sha256::new()),
            Algorithm::Md5 => State::Md5(Md5::new()),
            Algorithm::Sha512 => State::Sha512(Sha512::new()),
            Algorithm::Xxh3 => State::Xxh3(XxHash3_64::with_seed(SEED)),
            Algorithm::Xxh64 => State::Xxh64(XxHash64::with_seed(SEED)),
            Algorithm::Xxh128 => State::Xxh128(XxHash3_128::with_seed(SEED)),
        }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            State::Crc32(state) => state.update(data),
            State::Crc32c(state) | State::Crc64Nvme(state) => state.update(data),
            State::Sha1(state) => state.update(data),
            State::Sha256(state) => state.update(data),
            State::Md5(state) => state.update(data),
            State::SharedMd5(state) => state.update(data),
            State::Sha512(state) => state.update(data),
            State::Xxh3(state) => state.write(data),
            State::Xxh64(state) => state.write(data),
            State::Xxh128(state) => state.write(data),
        }
    }

    /// The value; numbers become big-endian bytes, as the AWS CRT sends them.
    pub(crate) fn finish(self) -> Digest {
        match self {
            State::Crc32(s) => Digest::of(Algorithm::Crc32, &s.finalize().to_be_bytes()),
            // The upper half of the u64 is zero.
            State::Crc32c(s) => Digest::of(Algorithm::Crc32c, &s.finalize().to_be_bytes()[4..]),
            State::Crc64Nvme(s) => Digest::of(Algorithm::Crc64Nvme, &s.finalize().to_be_bytes()),
            State::Sha1(s) => Digest::of(Algorithm::Sha1, &s.finalize()),
            State::Sha256(s) => Digest::of(Algorithm::Sha256, &s.finalize()),
            State::Md5(s) => Digest::of(Algorithm::Md5, &s.finish()),
            State::SharedMd5(s) => Digest::of(Algorithm::Md5, &s.finish()),
            State::Sha512(s) => Digest::of(Algorithm::Sha512, &s.finalize()),
            State::Xxh3(s) => Digest::of(Algorithm::Xxh3, &s.finish().to_be_bytes()),
            State::Xxh64(s) => Digest::of(Algorithm::Xxh64, &s.finish().to_be_bytes()),
            State::Xxh128(s) => Digest::of(Algorithm::Xxh128, &s.finish_128().to_be_bytes()),
        }
    }
}
