// The AWS SDK for JavaScript, version 3, with lib-storage, presigned URLs and forms.
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { bucket as Bucket, before, keys, many, parts, region, rounds, same, stored, url } from "./rounds.js";

const client = new s3.S3Client({
  endpoint: url, region, credentials: keys, forcePathStyle: true, maxAttempts: 1,
});
const send = (Command, input) => client.send(new s3[`${Command}Command`]({ Bucket, ...input }));
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());
const get = async (Key) => bytes(await send("GetObject", { Key }));
const source = (key) => `${Bucket}/${encodeURIComponent(key)}`;

const base = {
  get,
  put: (Key, Body) => send("PutObject", { Key, Body }),
  remove: (Key) => send("DeleteObject", { Key }),
  copy: (from, Key) => send("CopyObject", { Key, CopySource: source(from) }),
  list: async (Prefix) => {
    const found = [];
    for await (const page of s3.paginateListObjectsV2({ client }, { Bucket, Prefix })) {
      found.push(...(page.Contents ?? []).map((entry) => entry.Key));
    }
    return found;
  },
};
await rounds("sdk3", base);

// In parts, four at a time, from a stream of unknown length.
const upload = (Key, Body, more = {}) =>
  new Upload({ client, params: { Bucket, Key, Body, ...more }, partSize: 5 << 20, queueSize: 4 }).done();
await rounds("upload", { ...base, put: (key, data) => upload(key, Readable.from([data])) });

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  const Key = `new/${ChecksumAlgorithm}`;
  await send("PutObject", { Key, Body: parts, ChecksumAlgorithm });
  const got = await send("GetObject", { Key, ChecksumMode: "ENABLED" });
  assert(got[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm);
  same(Key, await bytes(got), parts);
  await upload(`${Key} parts`, parts, { ChecksumAlgorithm });
  stored(`${Key} parts`, parts);
  same(`${Key} parts`, await get(`${Key} parts`), parts);
}

// Streams with a known length go in one aws-chunked request.
await send("PutObject", { Key: "new/stream", Body: Readable.from([parts]), ContentLength: parts.length });
stored("new/stream", parts);
const range = await send("GetObject", { Key: "new/stream", Range: "bytes=5242870-5242890" });
same("range", await bytes(range), parts.subarray(5242870, 5242891));

await send("PutObject", { Key: "new/once", Body: "first", IfNoneMatch: "*" });
const again = send("PutObject", { Key: "new/once", Body: "second", IfNoneMatch: "*" });
await assert.rejects(again, (e) => e.name === "PreconditionFailed" && e.$metadata.httpStatusCode === 412);
await assert.rejects(send("GetObject", { Key: "none" }), (e) => e instanceof s3.NoSuchKey);
await assert.rejects(send("HeadObject", { Key: "none" }), (e) => e instanceof s3.NotFound);

const TagSet = [{ Key: "colour", Value: "green +" }];
await send("PutObjectTagging", { Key: "new/once", Tagging: { TagSet } });
assert.deepEqual((await send("GetObjectTagging", { Key: "new/once" })).TagSet, TagSet);
const ObjectAttributes = ["ObjectParts", "ObjectSize", "Checksum", "ETag"];
const attributes = await send("GetObjectAttributes", { Key: "new/SHA256 parts", ObjectAttributes });
assert.equal(attributes.ObjectParts.TotalPartsCount, 4);

const key = { Bucket, Key: "new/presigned +%é.bin" };
const signed = (Command, input = {}) => getSignedUrl(client, new s3[`${Command}Command`]({ ...key, ...input }));
const put = await fetch(await signed("PutObject"), { method: "PUT", body: parts });
assert.equal(put.status, 200, await put.text());
stored(key.Key, parts);
const got = await fetch(await signed("GetObject", { ResponseContentType: "text/x-check" }));
assert.equal(got.headers.get("content-type"), "text/x-check");
same("presigned get", Buffer.from(await got.arrayBuffer()), parts);

const form = await createPresignedPost(client, { Bucket, Key: "form/${filename}", Conditions: [["content-length-range", 1, 1e8]] });
const data = new FormData();
for (const [name, value] of Object.entries(form.fields)) data.append(name, value);
data.append("file", new Blob([parts]), "from js.bin");
const posted = await fetch(form.url, { method: "POST", body: data });
assert.equal(posted.status, 204, await posted.text());
stored("form/from js.bin", parts);

const Objects = many.map((Key) => ({ Key })).slice(0, 1000);
const removed = await send("DeleteObjects", { Delete: { Objects } });
assert.equal(removed.Deleted.length, 1000);
assert.equal(removed.Errors, undefined);
assert.equal((await base.list("many/")).length, many.length - 1000);
await s3.waitUntilObjectExists({ client, maxWaitTime: 30 }, { Bucket, Key: "before/plain.txt" });
same("last", await get("before/plain.txt"), before().get("plain.txt"));
