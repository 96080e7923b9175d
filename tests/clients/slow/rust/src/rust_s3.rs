//! The crate `rust-s3`, which lists by its own code and sends large objects in parts of 8 MiB.

use s3::creds::Credentials;
use s3::{Bucket, Region};

use crate::{BUCKET, Client, MIB, Place, REGION, Result};

struct Own(Box<Bucket>);

impl Client for Own {
    async fn put(&self, key: &str, data: Vec<u8>) -> Result<()> {
        if data.len() > 8 * MIB {
            let sent = self.0.put_object_stream(&mut data.as_slice(), key).await?;
            return ok(sent.status_code());
        }
        ok(self.0.put_object(key, &data).await?.status_code())
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>> {
        let got = self.0.get_object(key).await?;
        ok(got.status_code())?;
        Ok(got.to_vec())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let pages = self.0.list(prefix.to_owned(), None).await?;
        Ok(pages.into_iter().flat_map(|page| page.contents).map(|object| object.key).collect())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        ok(self.0.delete_object(key).await?.status_code())
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        ok(self.0.copy_object_internal(from, to).await?)
    }
}

fn ok(status: u16) -> Result<()> {
    if (200..300).contains(&status) { Ok(()) } else { Err(format!("status {status}").into()) }
}

/// Runs all of it.
pub async fn run(place: &Place) -> Result<()> {
    let region = Region::Custom { region: REGION.to_owned(), endpoint: place.url.clone() };
    let keys = Credentials::new(Some("any-key"), Some("any-secret"), None, None, None)?;
    let bucket = Bucket::new(BUCKET, region, keys)?.with_path_style();
    place.rounds("rust-s3", &Own(bucket)).await?;
    let url = Bucket::presign_get(
        &Bucket::new(
            BUCKET,
            Region::Custom { region: REGION.to_owned(), endpoint: place.url.clone() },
            Credentials::new(Some("any-key"), Some("any-secret"), None, None, None)?,
        )?
        .with_path_style(),
        "before/plain.txt",
        60,
        None,
    )
    .await?;
    let curl = std::process::Command::new("/usr/bin/curl").args(["-sSf", &url]).output()?;
    place.stored("before/plain.txt", &curl.stdout);
    Ok(())
}
