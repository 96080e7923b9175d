// The minio client for JavaScript.
import assert from "node:assert/strict";
import { buffer } from "node:stream/consumers";
import { Readable } from "node:stream";
import * as minio from "minio";
import { bucket, home, keys, many, parts, region, rounds, same, stored, url } from "./rounds.js";

const { hostname, port } = new URL(url);
const where = { endPoint: hostname, port: Number(port), useSSL: false, region };
const given = { accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey, partSize: 5 << 20 };
const client = new minio.Client({ ...where, ...given });
const get = async (key) => buffer(await client.getObject(bucket, key));
const list = async (prefix) => {
  const found = [];
  for await (const entry of client.listObjectsV2(bucket, prefix, true)) found.push(entry.name);
  return found;
};
const base = {
  put: (key, data) => client.putObject(bucket, key, data),
  get, list,
  remove: (key) => client.removeObject(bucket, key),
  copy: (from, key) => client.copyObject(bucket, key, `/${bucket}/${from}`),
};
await rounds("minio", base);
await client.putObject(bucket, "new/stream", Readable.from([parts]));
stored("new/stream", parts);
same("partial", await buffer(await client.getPartialObject(bucket, "new/stream", 5, 10)), parts.subarray(5, 15));
assert.equal((await client.statObject(bucket, "new/stream")).size, parts.length);
await client.fGetObject(bucket, "new/stream", `${home}/back`);
await client.fPutObject(bucket, "new/file", `${home}/back`, { "Content-Type": "text/x-check" });
stored("new/file", parts);
await client.setObjectTagging(bucket, "new/file", { colour: "green" });
assert.deepEqual(await client.getObjectTagging(bucket, "new/file"), [{ Key: "colour", Value: "green" }]);
const put = await fetch(await client.presignedPutObject(bucket, "new/presigned +"), { method: "PUT", body: parts });
assert.equal(put.status, 200);
const got = await fetch(await client.presignedGetObject(bucket, "new/presigned +"));
same("presigned", Buffer.from(await got.arrayBuffer()), parts);
const policy = client.newPostPolicy();
policy.setBucket(bucket);
policy.setKey("form/minio");
policy.setExpires(new Date(Date.now() + 60_000));
const { postURL, formData } = await client.presignedPostPolicy(policy);
const form = new FormData();
for (const [name, value] of Object.entries(formData)) form.append(name, value);
form.append("file", new Blob([parts]), "x");
assert.equal((await fetch(postURL, { method: "POST", body: form })).status, 204);
stored("form/minio", parts);
await client.removeObjects(bucket, many);
assert.deepEqual(await list("many/"), []);
assert(await client.bucketExists(bucket));
assert(!(await client.bucketExists("no-such-bucket")));
assert((await client.listBuckets()).some(({ name }) => name === bucket));
