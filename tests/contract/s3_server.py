"""A real S3 server on loopback: versitygw over a folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def s3_server(root: Path, *options: str) -> Iterator[dict[str, str]]:
    """Serve the folder `root` with the bucket `pictures` in it; yield the environment of a client."""
    beside = str(Path(sys.executable).parent)  # where `make object-server` puts it
    program = shutil.which("versitygw") or shutil.which("versitygw", path=beside)
    if program is None:
        pytest.skip("there is no versitygw: `make object-server` installs it")
    metadata = root.with_name(f"metadata-of-{root.name}")
    for each in (root / "pictures", metadata):
        each.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    keys = {"ROOT_ACCESS_KEY": "test-key", "ROOT_SECRET_KEY": "test-secret"}
    command = [
        program,
        "--port",
        f"127.0.0.1:{port}",
        "--quiet",
        *options,
        "posix",
        "--sidecar",
        str(metadata),
        str(root),
    ]
    process = subprocess.Popen(
        command, env={**os.environ, **keys}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        limit = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, "versitygw ended"
                assert time.monotonic() < limit, "versitygw does not listen"
                time.sleep(0.05)
        yield {
            "AWS_ACCESS_KEY_ID": keys["ROOT_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": keys["ROOT_SECRET_KEY"],
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": "us-east-1",
        }
    finally:
        process.terminate()
        process.wait(10)
