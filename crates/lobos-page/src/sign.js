// Signatures of version 4. The browser's own SHA-256 is not to be had over plain HTTP, but on
// localhost, so here is one.
const K = [], H0 = [];
for (let n = 2; K.length < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
  if (!prime) continue;
  const bits = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  if (H0.length < 8) H0.push(bits(Math.sqrt(n)));
  K.push(bits(Math.cbrt(n)));
}
const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

function sha256(message) {
  const data = typeof message === "string" ? utf8(message) : message;
  const blocks = (data.length + 72) >> 6;
  const padded = new Uint8Array(blocks * 64);
  padded.set(data);
  padded[data.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(data.length / 2 ** 29));
  view.setUint32(padded.length - 4, data.length << 3);
  const state = H0.slice(), w = new Int32Array(64);
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) { w[i] = view.getInt32(block * 64 + i * 4); continue; }
      const x = w[i - 15], y = w[i - 2];
      const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3), s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25), s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [a, b, c, d, e, f, g, h] = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((value, at) => { state[at] = (state[at] + value) | 0; });
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((value, at) => out.setInt32(at * 4, value));
  return new Uint8Array(out.buffer);
}

function hmac(key, message) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const join = (pad, rest) => {
    const all = new Uint8Array(64 + rest.length);
    all.set(block.map((b) => b ^ pad));
    all.set(rest, 64);
    return sha256(all);
  };
  return join(0x5c, join(0x36, utf8(message)));
}

const escapeOne = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
const escapePath = (text) => text.split("/").map(escapeOne).join("/");
const queryOf = (query) =>
  Object.entries(query).map(([name, value]) => escapeOne(name) + "=" + escapeOne(value)).sort().join("&");

// The parts of a signature that depend on the day and the key alone.
function scopeOf(keys, region, time) {
  const scope = [time.slice(0, 8), region, "s3", "aws4_request"];
  const signing = scope.reduce((key, part) => hmac(key, part), utf8("AWS4" + keys.secret));
  return { scope: scope.join("/"), signing };
}

function signature({ method, path, query, headers, keys, region, time }) {
  const { scope, signing } = scopeOf(keys, region, time);
  const names = Object.keys(headers).sort();
  const lines = names.map((name) => name + ":" + headers[name] + "\n").join("");
  const canonical = [method, path, queryOf(query), lines, names.join(";"), "UNSIGNED-PAYLOAD"];
  const text = ["AWS4-HMAC-SHA256", time, scope, hex(sha256(canonical.join("\n")))].join("\n");
  return { scope, names: names.join(";"), signature: hex(hmac(signing, text)) };
}

const timeNow = () => new Date().toISOString().replace(/[-:]|\.\d+/g, "");

// The headers of a signed request.
function signed(method, path, query, keys, region, host) {
  const time = timeNow();
  const headers = { host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": time };
  const made = signature({ method, path, query, headers, keys, region, time });
  delete headers.host;
  const credential = keys.access + "/" + made.scope;
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${made.names}, Signature=${made.signature}`;
  return headers;
}

// A URL that anyone may use for so many seconds.
function presigned(path, keys, region, host, seconds) {
  const time = timeNow();
  const query = {
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": `${keys.access}/${time.slice(0, 8)}/${region}/s3/aws4_request`,
    "X-Amz-Date": time,
    "X-Amz-Expires": String(seconds),
    "X-Amz-SignedHeaders": "host",
  };
  const made = signature({ method: "GET", path, query, headers: { host }, keys, region, time });
  return path + "?" + queryOf(query) + "&X-Amz-Signature=" + made.signature;
}
