"""A PostgreSQL of Debian's package on loopback, as a test's own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def postgres() -> Iterator[str]:
    """Start one with an empty database; its URL. It is gone at the end."""
    if not _PROGRAMS:
        pytest.skip("needs Debian's package postgresql")
    folder = Path(tempfile.mkdtemp(prefix="strata-postgres-"))
    as_user: list[str] = []
    if os.geteuid() == 0:  # which PostgreSQL does not run as
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = folder / "data"
    try:
        run = [*as_user, str(_PROGRAMS[-1] / "initdb"), "-D", str(data), "-U", "strata", "-A", "trust", "-E", "UTF8"]
        subprocess.run([*run, "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/")
        control = [*as_user, str(_PROGRAMS[-1] / "pg_ctl"), "-D", str(data), "-w"]
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], check=True, cwd="/")
        try:
            yield f"postgresql://strata@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/")
    finally:
        shutil.rmtree(folder)
