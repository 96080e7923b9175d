"""What reads and writes tables and arrays: polars, duckdb, ClickHouse, Delta, Lance, Zarr, TileDB.

Each brings its own S3 client: object_store, curl, Poco, the AWS SDK for C++, tensorstore's own.
"""

import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import chdb
import daft
import daft.io
import deltalake
import duckdb
import icechunk
import lance
import numpy
import opendal
import polars
import pyarrow
import tensorstore
import tiledb
import zarr

import checks
import folder

ROWS = 50_000
TABLE = pyarrow.table({"n": list(range(ROWS)), "text": [f"row {n} é" for n in range(ROWS)]})
ARRAY = numpy.arange(1_500_000, dtype="int64").reshape(1500, 1000)
KEYS = ("any-key", "any-secret")
S3 = f"s3://{checks.BUCKET}"


def options(place):
    """The options of object_store, which many of these take as they are."""
    keys = {"aws_access_key_id": KEYS[0], "aws_secret_access_key": KEYS[1]}
    return {**keys, "aws_endpoint_url": place.url, "aws_region": "eu-south-2", "aws_allow_http": "true"}


def with_polars(place):
    """A parquet file, by scan and by read, and a folder of them by glob."""
    frame = polars.from_arrow(TABLE)
    frame.write_parquet(f"{S3}/polars/a b.parquet", storage_options=options(place))
    assert polars.read_parquet(place.bucket / "polars/a b.parquet").equals(frame)
    found = polars.scan_parquet(f"{S3}/polars/*.parquet", storage_options=options(place))
    assert found.filter(polars.col("n") > ROWS - 3).collect().height == 2
    frame.lazy().sink_csv(f"{S3}/polars/big.csv", storage_options=options(place))
    assert polars.read_csv(place.bucket / "polars/big.csv").equals(frame)


def with_duckdb(place):
    """COPY and SELECT by httpfs, with globs, ranges and parts."""
    import duckdb_extension_httpfs  # the extension comes as a package

    here = pathlib.Path(duckdb_extension_httpfs.__file__).parent
    extension = next(here.rglob("httpfs.duckdb_extension"))
    db = duckdb.connect()
    db.execute(f"LOAD '{extension}'")
    host = urllib.parse.urlsplit(place.url).netloc
    db.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID '{KEYS[0]}', SECRET '{KEYS[1]}', REGION 'eu-south-2', "
        f"ENDPOINT '{host}', USE_SSL false, URL_STYLE 'path')"
    )
    db.execute(f"COPY (SELECT range AS n, 'é' || range AS t FROM range({ROWS * 20})) TO '{S3}/duck/a b.parquet'")
    found = db.execute(f"SELECT count(*), sum(n) FROM '{S3}/duck/*.parquet'").fetchone()
    total = ROWS * 20
    folder.same("sum", found, (total, total * (total - 1) // 2))
    db.execute(f"COPY (SELECT range AS n, range % 3 AS p FROM range(1000)) TO '{S3}/duck/parts' (PARTITION_BY p, FORMAT csv)")
    found = db.execute(f"SELECT count(*) FROM read_csv('{S3}/duck/parts/*/*.csv')").fetchone()
    folder.same("partitions", found, (1000,))


def with_clickhouse(place):
    """The s3 function of ClickHouse, writing and reading, with a glob."""
    at = f"{place.url}/{checks.BUCKET}/click"
    keys = f"'{KEYS[0]}', '{KEYS[1]}'"
    rows = f"SELECT number AS n, toString(number) AS t FROM numbers({ROWS * 20})"
    chdb.query(f"INSERT INTO FUNCTION s3('{at}/a.parquet', {keys}, 'Parquet') {rows}")
    said = chdb.query(f"SELECT count(), sum(n) FROM s3('{at}/*.parquet', {keys}, 'Parquet')", "CSV")
    total = ROWS * 20
    folder.same("sum", str(said).strip(), f"{total},{total * (total - 1) // 2}")


def with_delta(place):
    """A Delta table with two commits, which conditional puts keep apart."""
    at = f"{S3}/delta"
    for mode in ("error", "append"):
        deltalake.write_deltalake(at, TABLE, mode=mode, storage_options={**options(place), "conditional_put": "etag"})
    table = deltalake.DeltaTable(at, storage_options=options(place))
    folder.same("version", table.version(), 1)
    folder.same("rows", table.to_pyarrow_table().num_rows, 2 * ROWS)
    folder.same("on disk", deltalake.DeltaTable(str(place.bucket / "delta")).to_pyarrow_table().num_rows, 2 * ROWS)


def with_lance(place):
    """A Lance dataset with two versions."""
    for mode in ("create", "append"):
        lance.write_dataset(TABLE, f"{S3}/lance/t.lance", mode=mode, storage_options=options(place))
    found = lance.dataset(f"{S3}/lance/t.lance", storage_options=options(place))
    folder.same("rows", found.count_rows(), 2 * ROWS)
    folder.same("version", found.version, 2)


def with_icechunk(place):
    """An icechunk repository with Zarr in it, and a second commit."""
    storage = icechunk.s3_storage(
        bucket=checks.BUCKET, prefix="ice", region="eu-south-2", endpoint_url=place.url, allow_http=True,
        access_key_id=KEYS[0], secret_access_key=KEYS[1], force_path_style=True,
    )
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    array = zarr.create_array(session.store, name="a", shape=ARRAY.shape, chunks=(500, 500), dtype="int64")
    array[:] = ARRAY
    session.commit("first")
    found = icechunk.Repository.open(storage).readonly_session("main")
    assert (zarr.open_array(found.store, path="a", mode="r")[:] == ARRAY).all()


def with_tensorstore(place):
    """A Zarr array by tensorstore's own S3 driver."""
    import os

    os.environ |= {"AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1]}
    store = {"driver": "s3", "bucket": checks.BUCKET, "path": "tensor/", "endpoint": place.url, "aws_region": "eu-south-2"}
    spec = {"driver": "zarr3", "kvstore": store, "metadata": {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [500, 500]}}}}
    made = tensorstore.open(spec, create=True, dtype=tensorstore.int64, shape=ARRAY.shape).result()
    made.write(ARRAY).result()
    found = tensorstore.open({"driver": "zarr3", "kvstore": store}).result()
    assert (found.read().result() == ARRAY).all()
    kv = tensorstore.KvStore.open(store).result()
    kv.write(b"key +%", b"value").result()
    checks.stored(place, "tensor/key +%", b"value")
    folder.same("value", kv.read(b"key +%").result().value, b"value")
    assert b"zarr.json" in kv.list().result()


def with_tiledb(place):
    """A TileDB array, which the AWS SDK for C++ sends in parts."""
    host = urllib.parse.urlsplit(place.url).netloc
    config = {"vfs.s3.endpoint_override": host, "vfs.s3.scheme": "http", "vfs.s3.region": "eu-south-2"}
    config |= {"vfs.s3.aws_access_key_id": KEYS[0], "vfs.s3.aws_secret_access_key": KEYS[1]}
    config |= {"vfs.s3.use_virtual_addressing": "false"}
    context = tiledb.Ctx(config)
    tiledb.from_numpy(f"{S3}/tile", ARRAY, ctx=context)
    with tiledb.open(f"{S3}/tile", ctx=context) as found:
        assert (found[:] == ARRAY).all()
    vfs = tiledb.VFS(ctx=context)
    with vfs.open(f"{S3}/new/tiledb.bin", "wb") as file:
        file.write(checks.PARTS)
    checks.stored(place, "new/tiledb.bin", checks.PARTS)
    vfs.move_file(f"{S3}/new/tiledb.bin", f"{S3}/new/moved.bin")
    checks.stored(place, "new/moved.bin", checks.PARTS)


def with_daft(place):
    """A parquet table written in files and read again."""
    config = daft.io.IOConfig(s3=daft.io.S3Config(
        endpoint_url=place.url, key_id=KEYS[0], access_key=KEYS[1], region_name="eu-south-2", use_ssl=False, force_virtual_addressing=False))
    daft.from_arrow(TABLE).write_parquet(f"{S3}/daft", io_config=config)
    found = daft.read_parquet(f"{S3}/daft/*.parquet", io_config=config)
    folder.same("rows", found.count_rows(), ROWS)


def with_opendal(place):
    """OpenDAL's operator: every awkward name, parts of 5 MiB, and copies."""
    fs = opendal.Operator(
        "s3", bucket=checks.BUCKET, endpoint=place.url, region="eu-south-2", access_key_id=KEYS[0],
        secret_access_key=KEYS[1], disable_config_load="true", disable_ec2_metadata="true",
    )

    def listed(prefix):
        found = fs.list(prefix, recursive=True)
        return [entry.path for entry in found if not entry.path.endswith("/")]

    put = lambda key, data: fs.write(key, data, chunk=5 << 20)  # noqa: E731
    checks.rounds(place, checks.Client(put, fs.read, listed, fs.delete, fs.copy), "opendal")


if __name__ == "__main__":
    checks.steps(
        with_polars,
        with_duckdb,
        with_clickhouse,
        with_delta,
        with_lance,
        with_icechunk,
        with_tensorstore,
        with_tiledb,
        with_daft,
        with_opendal,
    )
