// The page: where the visitor is stands in the address, the rest is asked over S3.
const $ = (id) => document.getElementById(id);
const mode = document.documentElement.dataset;
const readOnly = "readOnly" in mode, wantsKey = "keys" in mode, makesBuckets = "root" in mode;
const PAGE = 200, PART = 16 << 20, PARTS = 10000, AT_ONCE = 3, LINK = 12 * 3600;

let keys = wantsKey ? JSON.parse(sessionStorage.getItem("lobos") || "null") : null;
let tokens = [""], shownKey = null, asked = 0;

function place() {
  const [, bucket = "", ...rest] = location.pathname.split("/").map(decodeURIComponent);
  return { bucket, folder: rest.join("/") };
}
const pathOf = (bucket, key = "") => "/" + escapeOne(bucket) + (bucket ? "/" + escapePath(key) : "");

// Asking the server.

async function call(method, path, query = {}, headers = {}) {
  if (wantsKey && !keys) await login();
  const own = keys ? signed(method, path, query, keys, mode.region, location.host) : {};
  const search = queryOf(query);
  const answer = await fetch(path + (search && "?" + search), { method, cache: "no-store", headers: { ...headers, ...own } });
  if (answer.ok) return answer;
  throw failure(answer.status, await answer.text());
}

function failure(status, text) {
  const xml = new DOMParser().parseFromString(text, "text/xml");
  const said = (name) => xml.querySelector(name)?.textContent;
  const error = new Error(said("Message") || "The server answered " + status + ".");
  if (["InvalidAccessKeyId", "SignatureDoesNotMatch"].includes(said("Code"))) forget();
  return error;
}

async function xmlOf(path, query) {
  const answer = await call("GET", path, query);
  return new DOMParser().parseFromString(await answer.text(), "text/xml");
}
const all = (xml, name) => Array.from(xml.getElementsByTagName(name));
const one = (xml, name) => xml.getElementsByTagName(name)[0]?.textContent ?? "";
// What encoding-type=url does to a name.
const nameIn = (xml, name) => decodeURIComponent(one(xml, name).replace(/\+/g, " "));

function linkTo(key, seconds = LINK) {
  const path = pathOf(place().bucket, key);
  return keys ? presigned(path, keys, mode.region, location.host, seconds) : path;
}

function login() {
  return new Promise((done) => {
    const dialog = $("login");
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclose = () => {
      keys = { access: $("access").value.trim(), secret: $("secret").value };
      sessionStorage.setItem("lobos", JSON.stringify(keys));
      $("secret").value = "";
      $("leave").hidden = false;
      done();
    };
    if (!dialog.open) dialog.showModal();
  });
}

function forget() {
  keys = null;
  sessionStorage.removeItem("lobos");
  $("leave").hidden = true;
}

// Showing what is there.

function make(name, text, more = {}) {
  const element = Object.assign(document.createElement(name), more);
  if (text !== undefined) element.textContent = text;
  return element;
}

function sizeOf(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (bytes >= 1024 && at < 4) { bytes /= 1024; at++; }
  return (at && bytes < 100 ? bytes.toFixed(1) : Math.round(bytes)) + " " + units[at];
}

function timeOf(text) {
  const shown = new Date(text).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const time = make("time", shown, { title: text });
  time.dateTime = text;
  return time;
}

function say(text) {
  $("said").textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { $("said").textContent = ""; }, 4000);
}

function complain(error) {
  $("note").textContent = error ? error.message : "";
  $("note").hidden = !error;
}

function crumbs({ bucket, folder }) {
  const steps = [["Buckets", "/"]];
  if (bucket) steps.push([bucket, pathOf(bucket)]);
  let path = "";
  for (const part of folder.split("/").slice(0, -1)) {
    path += part + "/";
    steps.push([part || "(no name)", pathOf(bucket, path)]);
  }
  $("crumbs").replaceChildren(...steps.map(([text, href], at) => {
    const item = make("li"), link = make("a", text, { href });
    if (at === steps.length - 1) link.setAttribute("aria-current", "page");
    item.append(link);
    return item;
  }));
  document.title = steps.length > 1 ? steps.slice(1).map(([text]) => text).join("/") + " – Lobos" : "Lobos";
}

function row(link, size, changed, actions, kind) {
  const tr = make("tr", undefined, { className: kind });
  const cells = [make("td"), make("td", size, { className: "number" }), make("td"), make("td")];
  cells[0].append(link);
  if (changed) cells[2].append(timeOf(changed));
  cells[3].append(...actions.flatMap((action) => [action, " "]));
  tr.append(...cells);
  return tr;
}

function act(text, key, run, className = "") {
  const button = make("button", text, { type: "button", className });
  button.setAttribute("aria-label", text + " " + key);
  button.onclick = () => attempt(() => run(key));
  return button;
}

async function attempt(run) {
  try {
    complain(null);
    await run();
  } catch (error) {
    complain(error);
  }
}

// Fills the table with a page of names; `at` is how many pages were before it.
async function load(at = 0) {
  const turn = ++asked, here = place();
  crumbs(here);
  $("search").hidden = !here.bucket;
  $("new").hidden = readOnly || (!here.bucket && !makesBuckets);
  $("new").textContent = here.bucket ? "New folder" : "New bucket";
  $("choose").hidden = readOnly || !here.bucket;
  tokens.length = at + 1;
  await attempt(async () => {
    const [rows, next] = here.bucket ? await names(here, tokens[at]) : await buckets();
    // Another page was asked for meanwhile.
    if (turn !== asked) return;
    if (next) tokens.push(next);
    $("rows").replaceChildren(...rows);
    $("count").textContent = rows.length ? rows.length + " on page " + (at + 1) : "Nothing here";
    $("caption").textContent = here.bucket ? "In " + here.bucket + "/" + here.folder + $("prefix").value : "Buckets";
    $("back").disabled = at === 0;
    $("more").disabled = !next;
    $("pages").hidden = false;
  });
  if (turn === asked && !$("note").hidden) $("rows").replaceChildren();
}

async function buckets() {
  const xml = await xmlOf("/", {});
  const rows = all(xml, "Bucket").map((bucket) => {
    const name = one(bucket, "Name");
    return row(make("a", name, { href: pathOf(name) }), "", one(bucket, "CreationDate"), [], "folder");
  });
  return [rows, ""];
}

async function names({ bucket, folder }, token) {
  const prefix = folder + $("prefix").value;
  const query = { "list-type": "2", "encoding-type": "url", delimiter: "/", "max-keys": String(PAGE), prefix };
  if (token) query["continuation-token"] = token;
  const xml = await xmlOf(pathOf(bucket), query);
  const rows = all(xml, "CommonPrefixes").map((found) => {
    const name = nameIn(found, "Prefix");
    return [name, row(make("a", name.slice(folder.length), { href: pathOf(bucket, name) }), "", "", [], "folder")];
  });
  for (const found of all(xml, "Contents")) {
    const key = nameIn(found, "Key");
    const link = make("a", key.slice(folder.length) || "(this folder)", { href: linkTo(key) });
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      attempt(() => show(key));
    };
    const actions = [act("Copy link", key, copyLink)];
    if (!readOnly) actions.push(act("Delete", key, remove, "danger"));
    rows.push([key, row(link, sizeOf(Number(one(found, "Size"))), one(found, "LastModified"), actions, "file")]);
  }
  // Each kind is in order; S3's order is that of both together.
  rows.sort(([a], [b]) => (a < b ? -1 : 1));
  return [rows.map(([, element]) => element), one(xml, "NextContinuationToken")];
}

// One object.

const KINDS = [
  ["img", /^image\//], ["video", /^video\//], ["audio", /^audio\//],
  ["pre", /^text\/|^application\/(.*\+)?(json|xml|javascript|yaml|toml|x-sh|sql)/],
];

async function show(key) {
  const { bucket } = place();
  const head = await call("HEAD", pathOf(bucket, key)), type = head.headers.get("content-type") || "";
  const size = Number(head.headers.get("content-length"));
  shownKey = key;
  $("title").textContent = key.split("/").pop() || key;
  $("get").href = $("open").href = linkTo(key);
  $("get").download = $("title").textContent;
  const facts = [["Key", key], ["Size", sizeOf(size) + " (" + size.toLocaleString() + " bytes)"], ["Type", type],
    ["Changed", new Date(head.headers.get("last-modified")).toLocaleString()], ["ETag", head.headers.get("etag")]];
  head.headers.forEach((value, name) => { if (name.startsWith("x-amz-meta-")) facts.push([name, value]); });
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value ?? "")]));
  $("delete").hidden = readOnly;
  $("preview").replaceChildren();
  $("shown").showModal();
  const kind = KINDS.find(([, pattern]) => pattern.test(type))?.[0];
  if (!kind || size === 0) return;
  if (kind === "pre") {
    const text = await (await call("GET", pathOf(bucket, key), {}, { range: "bytes=0-65535" })).text();
    if (shownKey === key) $("preview").append(make("pre", text + (size > 65536 ? "\n…" : "")));
    return;
  }
  const media = make(kind, undefined, { src: linkTo(key), alt: key, controls: true });
  media.onerror = () => media.replaceWith(make("p", "The browser cannot show it."));
  $("preview").append(media);
}

async function copyLink(key) {
  const link = new URL(linkTo(key), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    say(keys ? "Link copied; it works for 12 hours" : "Link copied");
  } catch {
    // Not to be had over plain HTTP from another machine.
    await question("The link:", "Done", link);
  }
}

async function remove(key) {
  if ((await question("Delete " + key + "?", "Delete")) === null) return;
  await call("DELETE", pathOf(place().bucket, key));
  $("shown").close();
  say("Deleted " + key);
  await load(Math.max(0, tokens.length - ($("more").disabled ? 1 : 2)));
  $("list").focus();
}

// Asks; gives the text, or "" where none is wanted, or null.
let settle = () => {};
function question(text, yes, value) {
  return new Promise((done) => {
    // The end of the question before may not have been told yet: that is not the end of this one.
    settle(null);
    settle = done;
    const dialog = $("ask"), wants = value !== undefined;
    $("question").textContent = text;
    $("yes").textContent = yes;
    $("answer").parentElement.hidden = !wants;
    $("answer").required = wants;
    $("answer").value = value || "";
    dialog.returnValue = "no";
    dialog.onclose = () => dialog.open || done(dialog.returnValue === "yes" ? $("answer").value : null);
    dialog.showModal();
    if (wants) $("answer").select();
  });
}

async function makeNew() {
  const { bucket, folder } = place();
  const name = await question(bucket ? "Name of the new folder" : "Name of the new bucket", "Make it", "");
  if (!name) return;
  const path = bucket ? pathOf(bucket, folder + name.replace(/\/+$/, "") + "/") : "/" + escapeOne(name);
  await call("PUT", path);
  say("Made " + name);
  await load();
}

// Uploads: some files at a time, large ones in parts.

const waiting = [];
let running = 0;

function add(file, name) {
  const { bucket, folder } = place();
  const item = make("li"), bar = make("progress", undefined, { max: 1, value: 0 });
  const cancel = make("button", "Cancel", { type: "button" });
  bar.setAttribute("aria-label", "Upload of " + name);
  cancel.setAttribute("aria-label", "Cancel the upload of " + name);
  item.append(make("span", name + " (" + sizeOf(file.size) + ")"), bar, cancel);
  const job = { file, path: pathOf(bucket, folder + name), bar, item, sent: new Map(), abort: new AbortController() };
  cancel.onclick = () => job.abort.abort();
  job.end = (text) => { cancel.remove(); bar.replaceWith(make("span", text)); };
  $("uploads").hidden = false;
  $("jobs").append(item);
  waiting.push(job);
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    const job = waiting.shift();
    running++;
    upload(job).then(() => job.end("Done"), (error) => job.end(error.message)).finally(() => {
      running--;
      if (running || waiting.length) return next();
      load();
    });
  }
}

// Sends bytes with progress, which fetch cannot tell.
function send(job, method, path, query, body, mark) {
  return new Promise((done, failed) => {
    if (job.abort.signal.aborted) return failed(new Error("Cancelled"));
    const request = new XMLHttpRequest(), search = queryOf(query);
    request.open(method, path + (search && "?" + search));
    const own = keys ? signed(method, path, query, keys, mode.region, location.host) : {};
    for (const [name, value] of Object.entries(own)) request.setRequestHeader(name, value);
    if (method === "PUT" && !query.partNumber && body.type) request.setRequestHeader("content-type", body.type);
    request.upload.onprogress = (event) => {
      job.sent.set(mark, event.loaded);
      let sum = 0;
      for (const bytes of job.sent.values()) sum += bytes;
      job.bar.value = job.file.size ? sum / job.file.size : 1;
    };
    const stop = () => request.abort();
    job.abort.signal.addEventListener("abort", stop);
    request.onloadend = () => {
      job.abort.signal.removeEventListener("abort", stop);
      if (request.status >= 200 && request.status < 300) return done(request);
      if (job.abort.signal.aborted) return failed(new Error("Cancelled"));
      failed(request.status ? failure(request.status, request.responseText) : new Error("The connection failed."));
    };
    request.send(body);
  });
}

async function upload(job) {
  const { file, path } = job;
  if (wantsKey && !keys) await login();
  const size = Math.max(PART, Math.ceil(file.size / PARTS));
  if (file.size <= 4 * size) return send(job, "PUT", path, {}, file, 0);
  const created = await call("POST", path, { uploads: "" }, file.type ? { "content-type": file.type } : {});
  const uploadId = one(new DOMParser().parseFromString(await created.text(), "text/xml"), "UploadId");
  try {
    const count = Math.ceil(file.size / size), tags = [];
    let part = 0;
    const work = async () => {
      while (part < count) {
        const at = part++, query = { partNumber: String(at + 1), uploadId };
        tags[at] = await patiently(job, () => send(job, "PUT", path, query, file.slice(at * size, (at + 1) * size), at));
      }
    };
    await Promise.all([work(), work(), work(), work()]);
    const parts = tags.map((tag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${tag.getResponseHeader("etag")}</ETag></Part>`);
    const body = "<CompleteMultipartUpload>" + parts.join("") + "</CompleteMultipartUpload>";
    const done = await patiently(job, () => send(job, "POST", path, { uploadId }, new Blob([body]), -1));
    if (done.responseText.includes("<Error>")) throw failure(200, done.responseText);
  } catch (error) {
    job.abort.abort();
    await call("DELETE", path, { uploadId }).catch(() => {});
    throw error;
  }
}

async function patiently(job, run) {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (tries === 4 || job.abort.signal.aborted) throw error;
      await new Promise((done) => setTimeout(done, 500 * 2 ** tries));
    }
  }
}

// Files of a folder that was dropped, with their names below it.
async function walk(entry, before, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push([file, before + file.name]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const inner of some) await walk(inner, before + entry.name + "/", found);
  }
}

async function dropped(event) {
  // All at once: the items are gone when this function waits.
  const files = Array.from(event.dataTransfer.files), found = [];
  const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry?.());
  if (entries.every(Boolean)) for (const entry of entries) await walk(entry, "", found);
  else files.forEach((file) => found.push([file, file.name]));
  found.forEach(([file, name]) => add(file, name));
}

// What the visitor does.

function go(href) {
  history.pushState(null, "", href);
  $("prefix").value = "";
  load().then(() => $("list").focus());
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("tr.folder a, #crumbs a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(link.href);
});
addEventListener("popstate", () => { $("prefix").value = ""; load(); });
$("search").addEventListener("submit", (event) => event.preventDefault());
$("prefix").addEventListener("input", () => {
  clearTimeout(load.timer);
  load.timer = setTimeout(() => load(), 150);
});
$("back").onclick = () => load(Math.max(0, tokens.length - ($("more").disabled ? 2 : 3)));
$("more").onclick = () => load(tokens.length - 1);
$("new").onclick = () => attempt(makeNew);
$("choose").onclick = () => $("files").click();
$("files").onchange = () => {
  for (const file of $("files").files) add(file, file.name);
  $("files").value = "";
};
$("copy").onclick = () => attempt(() => copyLink(shownKey));
$("delete").onclick = () => attempt(() => remove(shownKey));
$("shown").onclose = () => { shownKey = null; $("preview").replaceChildren(); };
$("leave").hidden = !keys;
$("leave").onclick = () => { forget(); load(); };

const mayDrop = (event) => !readOnly && place().bucket && event.dataTransfer?.types.includes("Files");
addEventListener("dragover", (event) => {
  if (!mayDrop(event)) return;
  event.preventDefault();
  $("drop").hidden = false;
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").hidden = true; });
addEventListener("drop", (event) => {
  if (!mayDrop(event)) return;
  event.preventDefault();
  $("drop").hidden = true;
  attempt(() => dropped(event));
});

load();
