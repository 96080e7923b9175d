// Bun's own S3 client, written in Zig: files, writers in parts, lists and presigned URLs.
import assert from "node:assert/strict";
import { bucket, keys, parts, region, rounds, same, stored, url } from "./rounds.js";

const client = new Bun.S3Client({ ...keys, bucket, endpoint: url, region });
await rounds("bun", {
  put: (key, data) => client.write(key, data, { partSize: 5 << 20 }),
  get: async (key) => Buffer.from(await client.file(key).arrayBuffer()),
  remove: (key) => client.delete(key),
  list: async (prefix) => {
    const found = [];
    let continuationToken;
    do {
      const page = await client.list({ prefix, continuationToken });
      found.push(...(page.contents ?? []).map(({ key }) => key));
      continuationToken = page.isTruncated ? page.nextContinuationToken : undefined;
    } while (continuationToken);
    return found;
  },
}, ["\\"]); // it makes a slash of a backslash
const writer = client.file("new/writer").writer({ partSize: 5 << 20, queueSize: 4 });
for (let at = 0; at < parts.length; at += 1 << 20) writer.write(parts.subarray(at, at + (1 << 20)));
await writer.end();
stored("new/writer", parts);
same("slice", Buffer.from(await client.file("new/writer").slice(5, 15).arrayBuffer()), parts.subarray(5, 15));
const got = await fetch(client.presign("new/writer"));
same("presigned", Buffer.from(await got.arrayBuffer()), parts);
assert(await client.exists("new/writer") && !(await client.exists("none")));
assert.equal((await client.stat("new/writer")).size, parts.length);
