// Small clients that speak S3 over fetch: aws4fetch and s3mini.
import assert from "node:assert/strict";
import { AwsClient } from "aws4fetch";
import { S3mini } from "s3mini";
import { bucket, keys, parts, region, rounds, stored, url } from "./rounds.js";

const aws = new AwsClient({ ...keys, service: "s3", region, retries: 0 });
const at = (key) => `${url}/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;
const ok = async (answer) => {
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
};
await rounds("aws4fetch", {
  put: async (key, body) => ok(await aws.fetch(at(key), { method: "PUT", body })),
  get: async (key) => ok(await aws.fetch(at(key))),
  remove: async (key) => ok(await aws.fetch(at(key), { method: "DELETE" })),
});

const mini = new S3mini({ ...keys, endpoint: `${url}/${bucket}`, region });
await rounds("s3mini", {
  put: (key, data) => mini.putObject(key, data),
  get: async (key) => {
    const found = await mini.getObjectArrayBuffer(key);
    assert(found !== null, "there is no such object");
    return Buffer.from(found);
  },
  list: async (prefix) => (await mini.listObjects("/", prefix)).map((entry) => entry.Key ?? entry.key),
  remove: (key) => mini.deleteObject(key),
});
const upload = await mini.getMultipartUploadId("new/s3mini parts");
const etags = [];
for (const n of [1, 2]) {
  etags.push(await mini.uploadPart("new/s3mini parts", upload, parts.subarray(n === 1 ? 0 : 8 << 20, n === 1 ? 8 << 20 : parts.length), n));
}
await mini.completeMultipartUpload("new/s3mini parts", upload, etags);
stored("new/s3mini parts", parts);
