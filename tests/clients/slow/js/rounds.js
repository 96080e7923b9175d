// What the JavaScript clients share: the place, and a round trip of every name of the folder.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

export const [url, home] = process.argv.slice(2);
export const bucket = "photos";
export const keys = { accessKeyId: "any-key", secretAccessKey: "any-secret" };
export const region = "eu-south-2";

const sha = (data) => createHash("sha256").update(data).digest("hex");
export const onDisk = (key) => join(home, bucket, key);
export const same = (what, got, wanted) => {
  assert.equal(sha(got), sha(wanted), `${what}: ${got.length} bytes, wanted ${wanted.length}`);
};
export const stored = (key, data) => same(`${key} on disk`, readFileSync(onDisk(key)), data);
export const many = (() => {
  const found = readdirSync(onDisk("many"), { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile());
  return files.map((e) => relative(onDisk(""), join(e.parentPath ?? e.path, e.name)));
})();
export const parts = randomBytes((16 << 20) + 1);

// The names that people have, each a trap of its own, with the bytes of the file.
export const before = () => {
  const found = readdirSync(onDisk("before"), { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile());
  const names = files.map((e) => relative(onDisk("before"), join(e.parentPath ?? e.path, e.name)));
  return new Map(names.map((name) => [name, readFileSync(onDisk(`before/${name}`))]));
};

// put(key, data), get(key), list(prefix), remove(key), copy(from, to): what a client lacks is left out.
export async function rounds(at, { put, get, list, remove, copy }, without = []) {
  const names = [...before()].filter(([name]) => !without.some((part) => name.includes(part)));
  const wanted = new Map(names.map(([name, data]) => [`${at}/${name}`, data]));
  wanted.set(`${at}/in parts.bin`, parts);
  for (const [key, data] of wanted) {
    await put(key, data);
    stored(key, data);
    same(key, await get(key), data);
  }
  for (const [name, data] of names) same(name, await get(`before/${name}`), data);
  if (list) {
    assert.deepEqual((await list(`${at}/`)).sort(), [...wanted.keys()].sort());
    assert.deepEqual((await list("many/")).sort(), many.sort());
  }
  if (copy) {
    for (const name of ["plain.txt", "with some spaces.txt", "in parts.bin"]) {
      await copy(`${at}/${name}`, `${at}-copy/${name}`);
      stored(`${at}-copy/${name}`, wanted.get(`${at}/${name}`));
    }
  }
  await assert.rejects(async () => get(`${at}/missing`), "a missing key was found");
  if (remove) {
    for (const key of wanted.keys()) {
      await remove(key);
      assert(!existsSync(onDisk(key)), key);
    }
  }
}
