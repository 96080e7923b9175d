"""Tests as a user of the wheel writes them, and what its servers promise.

They run in a virtual environment that has the wheel, pytest and boto3.
"""

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import boto3
import lobos_s3
import pytest
from botocore.exceptions import ClientError


def test_round_trip(lobos):
    # What boto3 puts is a file in the folder of the bucket, and comes back.
    photos = lobos.bucket("photos")
    s3 = lobos.client()
    s3.put_object(Bucket=photos, Key="a/cat.jpg", Body=b"meow")
    assert (photos.path / "a/cat.jpg").read_bytes() == b"meow"
    assert photos.path == lobos.root / "photos"
    assert s3.get_object(Bucket="photos", Key="a/cat.jpg")["Body"].read() == b"meow"
    assert lobos.endpoint.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("time", range(3))
def test_empty_each_time(lobos, time):
    # No test sees what one before it left: buckets, objects, uploads, keys that are no paths.
    s3 = lobos.client()
    assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="photos")
    assert s3.list_objects_v2(Bucket="photos")["KeyCount"] == 0
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="photos")
    for key in ("same", "a//b", "x/y/z"):
        with pytest.raises(ClientError):
            s3.head_object(Bucket="photos", Key=key)
        s3.put_object(Bucket="photos", Key=key, Body=str(time).encode(), Metadata={"n": str(time)})
    s3.create_multipart_upload(Bucket="photos", Key="half")


def test_code_that_knows_no_endpoint(lobos_env):
    # boto3 by itself reaches the server.
    bucket = lobos_env.bucket("logs")
    boto3.client("s3").put_object(Bucket=bucket, Key="k", Body=b"v")
    assert (bucket.path / "k").read_bytes() == b"v"


def test_resource_and_settings(lobos):
    # Settings of the caller outrank those of the server, and a config is merged.
    from botocore.config import Config

    lobos.resource().Bucket("made").create()
    assert (lobos.root / "made").is_dir()
    config = Config(connect_timeout=3, s3={"addressing_style": "virtual"})
    s3 = lobos.client(config=config, region_name="eu-west-1")
    assert (s3.meta.region_name, s3.meta.config.connect_timeout) == ("eu-west-1", 3)
    assert s3.meta.config.s3["addressing_style"] == "virtual"


def test_context_manager():
    # It runs while the block does, and its root goes with it.
    with lobos_s3.Server(buckets=["a", "b"], flags=["--etag", "fast"]) as server:
        names = [bucket["Name"] for bucket in server.client().list_buckets()["Buckets"]]
        assert names == ["a", "b"]
        root, endpoint = server.root, server.endpoint
        assert server.port > 0
    assert not root.exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(endpoint, timeout=5)
    with pytest.raises(lobos_s3.LobosError, match="does not run"):
        _ = server.endpoint


def test_own_root_stays(tmp_path):
    # A root that was given stays as it is, and a server can be started again.
    server = lobos_s3.Server(root=tmp_path / "new", buckets=["kept"])
    for _ in range(2):
        with server:
            assert server.root == tmp_path / "new"
    assert (tmp_path / "new/kept").is_dir()


def test_keys():
    # With keys, others are refused.
    with lobos_s3.Server(buckets=["a"], access_key="me", secret_key="mine") as server:
        server.client().put_object(Bucket="a", Key="k", Body=b"v")
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            server.client(aws_access_key_id="you").list_objects_v2(Bucket="a")
    with pytest.raises(ValueError, match="together"):
        lobos_s3.Server(access_key="me")


def test_says_why_it_did_not_start():
    # The error has what the server wrote to stderr.
    with pytest.raises(lobos_s3.LobosError, match=r"(?s)exit code 2.*--no-such-flag"):
        lobos_s3.Server(flags=["--no-such-flag"]).start()
    with (
        lobos_s3.Server() as server,
        pytest.raises(lobos_s3.LobosError, match="port .* is in use"),
    ):
        lobos_s3.Server(port=server.port).start()


def test_never_ready(tmp_path):
    # A program that says nothing is given up after the time, and does not go on.
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\necho $$ >pid\nexec sleep 60\n")
    silent.chmod(0o755)
    os.chdir(tmp_path)
    with pytest.raises(lobos_s3.LobosError, match="not ready after 0.5 s"):
        lobos_s3.Server(binary=silent, timeout=0.5).start()
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_died_by_itself():
    # Who kills the server under a test is told so, by the next check and at the end.
    def killed():
        with lobos_s3.Server() as server:
            server._process.send_signal(signal.SIGKILL)
            server._process.wait()
            with pytest.raises(lobos_s3.LobosError, match="by itself with -9"):
                server.check()

    with pytest.raises(lobos_s3.LobosError, match="by itself with -9"):
        killed()


def test_other_variables_do_not_matter(monkeypatch):
    # What is set for another Lobos changes no test.
    monkeypatch.setenv("LOBOS_READ_ONLY", "1")
    monkeypatch.setenv("LOBOS_PORT", "1")
    with lobos_s3.Server(buckets=["a"]) as server:
        server.client().put_object(Bucket="a", Key="k", Body=b"v")


def test_the_command():
    # pip put it into the environment, and the package finds that one.
    assert lobos_s3.binary() == Path(sys.prefix, "bin/lobos")
    by_name = subprocess.check_output([lobos_s3.binary(), "--version"], text=True)
    as_module = subprocess.check_output([sys.executable, "-m", "lobos_s3", "--version"], text=True)
    assert by_name.startswith("lobos ")
    assert by_name == as_module


def test_boto3_only_when_asked_for():
    # The plugin is loaded in every run of pytest, so it must cost those nothing who do not use it.
    code = "import sys, lobos_s3.pytest_plugin; sys.exit('botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
