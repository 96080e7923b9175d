//! Rust clients, one by name: every awkward name of a folder and a large object go round.
//!
//! Usage: `lobos-clients NAME URL HOME`

mod aws;
mod rust_s3;
mod store;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

pub const BUCKET: &str = "photos";
pub const REGION: &str = "eu-south-2";
pub const MIB: usize = 1 << 20;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Where the server is, and the folder that it serves.
pub struct Place {
    pub url: String,
    home: PathBuf,
}

/// What a round trip needs of a client.
#[allow(async_fn_in_trait, reason = "one thread, one program")]
pub trait Client {
    async fn put(&self, key: &str, data: Vec<u8>) -> Result<()>;
    async fn get(&self, key: &str) -> Result<Vec<u8>>;
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
    async fn remove(&self, key: &str) -> Result<()>;
    async fn copy(&self, from: &str, to: &str) -> Result<()>;
}

impl Place {
    pub fn disk(&self, key: &str) -> PathBuf {
        self.home.join(BUCKET).join(key)
    }

    pub fn stored(&self, key: &str, data: &[u8]) {
        let found = fs::read(self.disk(key)).unwrap_or_else(|e| panic!("{key} on disk: {e}"));
        assert!(found == data, "{key} on disk: {} bytes for {}", found.len(), data.len());
    }

    /// The files below a folder of the bucket, by key.
    pub fn below(&self, dir: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        if let Ok(entries) = fs::read_dir(self.disk(dir)) {
            for entry in entries.map(std::result::Result::unwrap) {
                let key = format!("{dir}/{}", entry.file_name().to_str().unwrap());
                if entry.path().is_dir() {
                    found.append(&mut self.below(&key));
                } else {
                    found.insert(key, fs::read(entry.path()).unwrap());
                }
            }
        }
        found
    }

    /// Every name of `before` and an object in parts: put, on the disk, get, list, copy, remove.
    pub async fn rounds(&self, at: &str, client: &impl Client) -> Result<()> {
        let mut wanted = BTreeMap::from([(format!("{at}/in parts.bin"), large())]);
        for (key, data) in self.below("before") {
            let got = client.get(&key).await.map_err(|e| format!("get {key}: {e:?}"))?;
            assert!(got == data, "{key}: {} bytes for {}", got.len(), data.len());
            wanted.insert(key.replacen("before", at, 1), data);
        }
        for (key, data) in &wanted {
            let put = client.put(key, data.clone()).await;
            put.map_err(|e| format!("put {key}: {e:?}"))?;
            self.stored(key, data);
            let got = client.get(key).await.map_err(|e| format!("get {key}: {e:?}"))?;
            assert!(got == *data, "{key}: {} bytes for {}", got.len(), data.len());
        }
        for dir in [at, "many"] {
            let mut found = client.list(&format!("{dir}/")).await?;
            found.sort();
            assert!(found.iter().eq(self.below(dir).keys()), "list of {dir}: {found:?}");
        }
        for name in ["plain.txt", "with some spaces.txt", "in parts.bin"] {
            let from = format!("{at}/{name}");
            let to = format!("{at}-copy/{name}");
            client.copy(&from, &to).await.map_err(|e| format!("copy {from}: {e:?}"))?;
            self.stored(&to, &wanted[&from]);
        }
        assert!(client.get("missing").await.is_err(), "a missing key was found");
        for key in wanted.keys() {
            client.remove(key).await.map_err(|e| format!("remove {key}: {e:?}"))?;
        }
        assert!(self.below(at).is_empty(), "left: {:?}", self.below(at).keys());
        Ok(())
    }
}

/// One byte over two parts of 8 MiB, from a generator that never repeats within it.
pub fn large() -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..16 * MIB + 1).map(next).collect()
}

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, url, home] = &words[..] else { return Err("NAME URL HOME".into()) };
    let place =
        Place { url: url.trim_end_matches('/').to_owned(), home: Path::new(home).to_owned() };
    match name.as_str() {
        "aws-sdk-rust" => aws::run(&place).await,
        "object-store" => store::run(&place).await,
        "rust-s3" => rust_s3::run(&place).await,
        _ => Err(format!("{name} is none of the Rust clients").into()),
    }
}
