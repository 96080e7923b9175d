"""pyarrow's S3FileSystem, which is the AWS SDK for C++, against the server."""

import urllib.parse

import pyarrow
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet

import checks
import folder


def client(place, **named):
    keys = {"access_key": "any-key", "secret_key": "any-secret", "region": "eu-south-2"}
    host = urllib.parse.urlsplit(place.url).netloc
    limits = {"connect_timeout": checks.PATIENCE, "request_timeout": checks.PATIENCE}
    where = {"endpoint_override": host, "scheme": "http"}
    return pyarrow.fs.S3FileSystem(**{**keys, **where, **limits, **named})


def path(key):
    return f"{checks.BUCKET}/{key}"


def adapter(fs):
    def put(key, data):
        with fs.open_output_stream(path(key)) as stream:
            stream.write(data)

    def get(key):
        with fs.open_input_stream(path(key)) as stream:
            return stream.read()

    def listed(prefix):
        files = fs.get_file_info(pyarrow.fs.FileSelector(path(prefix), recursive=True))
        kept = [f for f in files if f.type == pyarrow.fs.FileType.File]
        return [f.path.removeprefix(path("")) for f in kept]

    def copy(source, target):
        fs.copy_file(path(source), path(target))

    return checks.Client(put, get, listed, lambda key: fs.delete_file(path(key)), copy)


def names_and_parts(place):
    """Every awkward name; each goes in parts, also the empty one."""
    checks.rounds(place, adapter(client(place)), "pyarrow")


def unsigned(place):
    """Without keys the SDK sends aws-chunked inside chunked, and no x-amz-content-sha256."""
    fs = client(place, access_key=None, secret_key=None, anonymous=True)
    checks.rounds(place, adapter(fs), "unsigned")


def folders(place):
    """Folders as pyarrow makes and removes them, by objects that end in a slash."""
    fs = client(place)
    fs.create_dir(path("made/one/two"), recursive=True)
    info = fs.get_file_info([path("made/one/two"), path("made/none"), path("before")])
    kinds = [entry.type.name for entry in info]
    folder.same("kinds", kinds, ["Directory", "NotFound", "Directory"])
    adapter(fs).put("made/one/two/file", b"data")
    fs.move(path("made/one/two/file"), path("made/one/moved"))
    checks.stored(place, "made/one/moved", b"data")
    fs.delete_dir(path("made"))
    folder.same("made", folder.tree(place.bucket / "made"), {})
    folder.same("gone", fs.get_file_info(path("made")).type.name, "NotFound")
    fs.delete_dir_contents(path("doomed"))
    folder.same("doomed", folder.tree(place.bucket / "doomed"), {})


def reading(place):
    """Pieces of a file at random places, and metadata."""
    fs = client(place)
    with fs.open_output_stream(path("new/parts"), metadata={"Content-Type": "text/x-check"}) as out:
        out.write(checks.PARTS)
    with fs.open_input_file(path("new/parts")) as file:
        folder.same("size", file.size(), len(checks.PARTS))
        folder.same("seam", file.read_at(7, (5 << 20) - 3), checks.PARTS[(5 << 20) - 3 :][:7])
        folder.same("type", file.metadata()["Content-Type"], b"text/x-check")


def tables(place):
    """A partitioned parquet dataset, written, listed and read back equal."""
    fs = client(place)
    table = pyarrow.table({"n": list(range(10_000)), "part": [f"p {n % 3}" for n in range(10_000)]})
    pyarrow.dataset.write_dataset(
        table, path("table"), filesystem=fs, format="parquet", partitioning=["part"],
        partitioning_flavor="hive",
    )
    back = pyarrow.dataset.dataset(path("table"), filesystem=fs, partitioning="hive").to_table()
    folder.same("rows", sorted(back.to_pylist(), key=str), sorted(table.to_pylist(), key=str))
    on_disk = pyarrow.dataset.dataset(str(place.bucket / "table"), partitioning="hive")
    folder.same("rows on disk", on_disk.count_rows(), 10_000)


if __name__ == "__main__":
    checks.steps(names_and_parts, unsigned, folders, reading, tables)
