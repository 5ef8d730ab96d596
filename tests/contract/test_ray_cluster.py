"""Which Ray cluster is meant, and what is said where there is none; no head is started here."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.edge.errors import InvalidDeclaration, NotReady
from services.edge.ray_cluster import cluster_address, join_cluster

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("given", [{}, {"RAY_ADDRESS": ""}, {"RAY_ADDRESS": "  "}, {"RAY_ADDRESS": "local"}])
def test_without_an_address_a_head_of_our_own_is_meant(given: dict[str, str]) -> None:
    assert cluster_address(given) == ""


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "head.ray.svc:6379", "[::1]:6379"])
def test_an_address_is_a_heads(address: str) -> None:
    assert cluster_address({"RAY_ADDRESS": f" {address} "}) == address


@pytest.mark.parametrize(
    "address", ["auto", "ray://127.0.0.1:10001", "http://127.0.0.1:8265", "127.0.0.1", "6379", "host:0", "host:x"]
)
def test_an_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(InvalidDeclaration, match=f"RAY_ADDRESS: '{address}' is not host:port"):
        cluster_address({"RAY_ADDRESS": address})


def test_where_nothing_listens_or_answers_a_typed_error_comes_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            with pytest.raises(NotReady, match=rf"no Ray head answered at 127\.0\.0\.1:{port} within 0\.5 s"):
                join_cluster(f"127.0.0.1:{port}", timeout_s=0.5)


def test_the_front_door_says_so_in_a_line_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("name: one\nmembers: [{model: alexnet}]\n")
    environment = {
        **os.environ,
        "ENSEMBLE_FILES": str(file),
        "ENSEMBLE_MEMBERS": '{"alexnet": {"address": "127.0.0.1:1"}}',
        "ENSEMBLE_EXECUTOR": "ray",
        "RAY_ADDRESS": "auto",
    }
    done = subprocess.run(
        [sys.executable, "-m", "services.ensemble"], env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 2, done.stderr
    assert "InvalidDeclaration: RAY_ADDRESS: 'auto' is not host:port" in done.stderr
    assert "Traceback" not in done.stderr
