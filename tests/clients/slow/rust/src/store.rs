//! Rust's `object_store`: a round trip, and the integration tests that it carries itself.

use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart, integration};

use crate::{BUCKET, Client, MIB, Place, REGION, Result};

struct Store(Arc<AmazonS3>);

impl Client for Store {
    async fn put(&self, key: &str, data: Vec<u8>) -> Result<()> {
        let path = Path::parse(key)?;
        if data.len() <= 8 * MIB {
            self.0.put(&path, data.into()).await?;
            return Ok(());
        }
        let mut upload =
            WriteMultipart::new_with_chunk_size(self.0.put_multipart(&path).await?, 5 * MIB);
        upload.write(&data);
        upload.finish().await?;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>> {
        Ok(self.0.get(&Path::parse(key)?).await?.bytes().await?.to_vec())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        let mut dirs = vec![Path::parse(prefix.trim_end_matches('/'))?];
        while let Some(dir) = dirs.pop() {
            let found = self.0.list_with_delimiter(Some(&dir)).await?;
            keys.extend(found.objects.into_iter().map(|o| o.location.to_string()));
            dirs.extend(found.common_prefixes);
        }
        Ok(keys)
    }

    async fn remove(&self, key: &str) -> Result<()> {
        Ok(self.0.delete(&Path::parse(key)?).await?)
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        Ok(self.0.copy(&Path::parse(from)?, &Path::parse(to)?).await?)
    }
}

/// Runs all of it; the integration tests have the empty bucket for themselves.
pub async fn run(place: &Place) -> Result<()> {
    let store = |bucket: &str| {
        AmazonS3Builder::new()
            .with_endpoint(&place.url)
            .with_allow_http(true)
            .with_bucket_name(bucket)
            .with_region(REGION)
            .with_access_key_id("any-key")
            .with_secret_access_key("any-secret")
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
    };
    place.rounds("store", &Store(Arc::new(store(BUCKET).build()?))).await?;
    let own = store("extra").build()?;
    integration::put_get_delete_list(&own).await;
    integration::list_with_offset_exclusivity(&own).await;
    integration::get_opts(&own).await;
    integration::list_uses_directories_correctly(&own).await;
    integration::list_with_delimiter(&own).await;
    integration::rename_and_copy(&own).await;
    integration::stream_get(&own).await;
    integration::multipart(&own, &own).await;
    integration::multipart_with_opts(&own, &own).await;
    integration::multipart_put_part_out_of_order(&own, &own).await;
    integration::multipart_race_condition(&own, true).await;
    integration::multipart_out_of_order(&own).await;
    integration::put_get_attributes(&own).await;
    integration::list_paginated(&own, &own).await;
    integration::put_opts(&own, true).await;
    let missing = integration::get_nonexistent_object(&own, None).await;
    assert!(matches!(missing, Err(object_store::Error::NotFound { .. })), "{missing:?}");
    let multipart = store("extra")
        .with_copy_if_not_exists(object_store::aws::S3CopyIfNotExists::Multipart)
        .build()?;
    integration::copy_if_not_exists(&multipart).await;
    integration::copy_rename_nonexistent_object(&multipart).await;
    for builder in [
        store("extra").with_unsigned_payload(true),
        store("extra").with_skip_signature(true),
        store("extra").with_checksum_algorithm(Checksum::SHA256),
        store("extra").with_checksum_algorithm(Checksum::CRC64NVME),
    ] {
        integration::put_get_delete_list(&builder.build()?).await;
    }
    Ok(())
}
