"""Lobos makes any directory an S3 bucket: the command, and servers for tests."""

from lobos_s3._binary import binary
from lobos_s3._server import Bucket, LobosError, Server

__all__ = ["Bucket", "LobosError", "Server", "binary"]
