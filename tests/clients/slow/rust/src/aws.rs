//! The AWS SDK for Rust: names, parts, checksums, conditions, attributes and presigned URLs.

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart};
use aws_sdk_s3::types::{Delete, ObjectAttributes, ObjectIdentifier};

use crate::{BUCKET, Client, MIB, Place, REGION, Result, large};

struct Sdk {
    s3: aws_sdk_s3::Client,
    checksum: Option<ChecksumAlgorithm>,
}

impl Sdk {
    /// The source of a copy, percent-encoded as the SDK wants it from its caller.
    fn source(key: &str) -> String {
        let mut encoded = format!("{BUCKET}/");
        for byte in key.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' => {
                    encoded.push(byte.into());
                }
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        encoded
    }

    async fn in_parts(&self, key: &str, data: &[u8]) -> Result<()> {
        let made = self.s3.create_multipart_upload().bucket(BUCKET).key(key);
        let made = made.set_checksum_algorithm(self.checksum.clone()).send().await?;
        let id = made.upload_id().ok_or("no upload id")?;
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(data.chunks(5 * MIB)) {
            let sent = self.s3.upload_part().bucket(BUCKET).key(key).upload_id(id);
            let sent = sent.part_number(number).set_checksum_algorithm(self.checksum.clone());
            let sent = sent.body(ByteStream::from(part.to_vec())).send().await?;
            let part = CompletedPart::builder().part_number(number);
            let part = part.set_e_tag(sent.e_tag).set_checksum_crc32(sent.checksum_crc32);
            let part = part.set_checksum_crc32_c(sent.checksum_crc32_c);
            let part = part.set_checksum_crc64_nvme(sent.checksum_crc64_nvme);
            let part = part.set_checksum_sha1(sent.checksum_sha1);
            parts.push(part.set_checksum_sha256(sent.checksum_sha256).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let done = self.s3.complete_multipart_upload().bucket(BUCKET).key(key).upload_id(id);
        done.multipart_upload(parts).send().await?;
        Ok(())
    }
}

impl Client for Sdk {
    async fn put(&self, key: &str, data: Vec<u8>) -> Result<()> {
        if data.len() > 8 * MIB {
            return self.in_parts(key, &data).await;
        }
        let put = self.s3.put_object().bucket(BUCKET).key(key).body(ByteStream::from(data));
        put.set_checksum_algorithm(self.checksum.clone()).send().await?;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>> {
        let got = self.s3.get_object().bucket(BUCKET).key(key);
        let got = got.checksum_mode(ChecksumMode::Enabled).send().await?;
        Ok(got.body.collect().await?.to_vec())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        let list = self.s3.list_objects_v2().bucket(BUCKET).prefix(prefix);
        let mut pages = list.into_paginator().send();
        while let Some(page) = pages.next().await {
            keys.extend(page?.contents.unwrap_or_default().into_iter().filter_map(|o| o.key));
        }
        Ok(keys)
    }

    async fn remove(&self, key: &str) -> Result<()> {
        self.s3.delete_object().bucket(BUCKET).key(key).send().await?;
        Ok(())
    }

    async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let copy = self.s3.copy_object().bucket(BUCKET).key(to);
        copy.copy_source(Self::source(from)).send().await?;
        Ok(())
    }
}

/// Runs all of it.
pub async fn run(place: &Place) -> Result<()> {
    let config = aws_sdk_s3::Config::builder()
        .endpoint_url(&place.url)
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("any-key", "any-secret", None, None, "test"))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let mut sdk = Sdk { s3, checksum: None };
    place.rounds("sdk", &sdk).await?;
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
        sdk.checksum = Some(algorithm.into());
        place.rounds(algorithm, &sdk).await?;
    }
    sdk.checksum = None;
    answers(place, &sdk).await?;
    presigned(place, &sdk).await
}

/// Conditions, errors, ranges, attributes and many deletes.
async fn answers(place: &Place, sdk: &Sdk) -> Result<()> {
    let once = |data: &'static str| {
        let put = sdk.s3.put_object().bucket(BUCKET).key("new/once").if_none_match("*");
        put.body(ByteStream::from_static(data.as_bytes())).send()
    };
    once("first").await?;
    let status = once("second").await.unwrap_err().raw_response().map(|r| r.status().as_u16());
    assert_eq!(status, Some(412));
    let none = sdk.s3.get_object().bucket(BUCKET).key("none").send().await.unwrap_err();
    assert!(none.into_service_error().is_no_such_key());
    let none = sdk.s3.head_object().bucket(BUCKET).key("none").send().await.unwrap_err();
    assert!(none.into_service_error().is_not_found());
    let part = sdk.s3.get_object().bucket(BUCKET).key("new/once").range("bytes=1-3");
    assert_eq!(part.send().await?.body.collect().await?.to_vec(), b"irs");
    sdk.in_parts("new/parts", &large()).await?;
    let found = sdk.s3.get_object_attributes().bucket(BUCKET).key("new/parts");
    let found = found.object_attributes(ObjectAttributes::ObjectSize);
    let found = found.object_attributes(ObjectAttributes::ObjectParts).send().await?;
    assert_eq!(found.object_size(), Some(16 * MIB as i64 + 1));
    assert_eq!(found.object_parts().and_then(|p| p.total_parts_count()), Some(4));
    let mut doomed = Delete::builder();
    for key in place.below("doomed").into_keys() {
        doomed = doomed.objects(ObjectIdentifier::builder().key(key).build()?);
    }
    let gone = sdk.s3.delete_objects().bucket(BUCKET).delete(doomed.build()?).send().await?;
    assert!(gone.errors().is_empty(), "{:?}", gone.errors());
    assert!(place.below("doomed").is_empty());
    Ok(())
}

/// A presigned URL works in a client that knows no S3.
async fn presigned(place: &Place, sdk: &Sdk) -> Result<()> {
    let config = PresigningConfig::expires_in(Duration::from_secs(60))?;
    let got = sdk.s3.get_object().bucket(BUCKET).key("new/parts").presigned(config).await?;
    let curl = ["-sSf", "-o", "/dev/stdout", got.uri()];
    let curl = std::process::Command::new("/usr/bin/curl").args(curl).output()?;
    assert!(curl.status.success(), "{curl:?}");
    place.stored("new/parts", &curl.stdout);
    Ok(())
}
