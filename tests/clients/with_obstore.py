"""obstore, which is Rust's object_store, against the server."""

import datetime
import urllib.request

import obstore
from obstore.store import S3Store

import checks
import folder

BODY = folder.body("obstore", 300_000)


def client(place, **named):
    config = {"access_key_id": "any-key", "secret_access_key": "any-secret", "region": "eu-south-2"}
    retries = {"max_retries": 0, "retry_timeout": datetime.timedelta(seconds=checks.PATIENCE)}
    options = {"allow_http": True}
    where = {"endpoint": place.url, "client_options": options, "retry_config": retries}
    return S3Store(checks.BUCKET, **where, **config, **named)


def adapter(store):
    """Uploads in parts of 5 MiB, as object_store does above its threshold."""

    def put(key, data):
        obstore.put(store, key, data, chunk_size=5 << 20)

    def listed(prefix):
        return [entry["path"] for page in obstore.list(store, prefix) for entry in page]

    def get(key):
        return bytes(obstore.get(store, key).bytes())

    def copy(source, target):
        obstore.copy(store, source, target)

    return checks.Client(put, get, listed, lambda key: obstore.delete(store, key), copy)


def names_and_parts(place):
    """Every awkward name and an object in parts go round."""
    checks.rounds(place, adapter(client(place)), "obstore")


def checksums(place):
    """With SHA-256 as its checksum, in one put and in parts."""
    store = client(place, checksum_algorithm="SHA256")
    checks.rounds(place, adapter(store), "sha256")


def conditions(place):
    """Mode create has one winner, update follows the ETag, copies do not overwrite."""
    store = client(place)
    first = obstore.put(store, "new/once", b"first", mode="create")
    try:
        obstore.put(store, "new/once", b"second", mode="create")
        raise AssertionError("a second create succeeded")
    except obstore.exceptions.AlreadyExistsError:
        checks.stored(place, "new/once", b"first")
    second = obstore.put(store, "new/once", b"second", mode={"e_tag": first["e_tag"]})
    try:
        obstore.put(store, "new/once", b"third", mode={"e_tag": first["e_tag"]})
        raise AssertionError("an update of an older object succeeded")
    except obstore.exceptions.PreconditionError:
        checks.stored(place, "new/once", b"second")
    got = obstore.get(store, "new/once", options={"if_match": second["e_tag"]})
    folder.same("get", bytes(got.bytes()), b"second")
    obstore.rename(store, "new/once", "new/renamed")
    checks.stored(place, "new/renamed", b"second")
    assert not (place.bucket / "new/once").exists()


def ranges(place):
    """One range, many ranges, and a suffix."""
    store = client(place)
    obstore.put(store, "new/ranges", BODY, attributes={"Content-Type": "text/x-check", "a": "b"})
    one = obstore.get_range(store, "new/ranges", start=100, length=50)
    folder.same("one", bytes(one), BODY[100:150])
    many = obstore.get_ranges(store, "new/ranges", starts=[0, 200_000], lengths=[9, 10])
    folder.same("many", [bytes(part) for part in many], [BODY[:9], BODY[200_000:200_010]])
    last = obstore.get(store, "new/ranges", options={"range": {"suffix": 7}})
    folder.same("suffix", bytes(last.bytes()), BODY[-7:])
    folder.same("attributes", last.attributes["Content-Type"], "text/x-check")
    folder.same("metadata", last.attributes["a"], "b")


def streams(place):
    """A writer that sends parts while it is written, and a stream of a large object."""
    store = client(place)
    with obstore.open_writer(store, "new/stream", buffer_size=5 << 20) as writer:
        for start in range(0, len(checks.PARTS), 1 << 20):
            writer.write(checks.PARTS[start : start + (1 << 20)])
    checks.stored(place, "new/stream", checks.PARTS)
    got = b"".join(bytes(chunk) for chunk in obstore.get(store, "new/stream"))
    folder.same("stream", folder.sha(got), folder.sha(checks.PARTS))


def listings(place):
    """Folders with a delimiter, and an offset to start after."""
    store = client(place)
    top = obstore.list_with_delimiter(store, "many")
    folder.same("folders", sorted(top["common_prefixes"]), [f"many/{n}" for n in range(7)])
    keys = folder.many_keys()
    pages = obstore.list(store, "many", offset=keys[1500])
    found = [entry["path"] for page in pages for entry in page]
    folder.same("after", found, keys[1501:])


def presigned(place):
    """A signed URL works in a client that knows no S3."""
    store = client(place)
    url = obstore.sign(store, "GET", "new/ranges", datetime.timedelta(minutes=1))
    with urllib.request.urlopen(url, timeout=checks.PATIENCE) as answer:
        folder.same("get", folder.sha(answer.read()), folder.sha(BODY))


def deletes(place):
    """1,000 keys go in one DeleteObjects."""
    obstore.delete(client(place), folder.doomed_keys())
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})


if __name__ == "__main__":
    checks.steps(
        names_and_parts,
        checksums,
        conditions,
        ranges,
        streams,
        listings,
        presigned,
        deletes,
    )
