"""The memory limit is the smallest of the cgroup's own and of those it lies in, of either version; none is infinity."""

import math
from pathlib import Path

import pytest

from services.edge.memory_share import memory_limit_bytes

NOWHERE = Path("/nowhere")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("memory.max", "536870912\n", 2**29),
        ("memory.max", "max\n", math.inf),
        ("memory/memory.limit_in_bytes", "1048576\n", 2**20),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", math.inf),
    ],
)
def test_the_limit_is_read(tmp_path: Path, file: str, text: str, expected: float) -> None:
    write(tmp_path / file, text)
    assert memory_limit_bytes(tmp_path, NOWHERE) == expected


def test_where_there_is_no_file_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit_bytes(tmp_path, NOWHERE) == math.inf


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("4:memory:/outer/inner", "memory/{}memory.limit_in_bytes"),
        ("7:cpu,memory:/outer/inner", "memory/{}memory.limit_in_bytes"),
        ("0::/outer/inner", "{}memory.max"),
    ],
)
@pytest.mark.parametrize(("outer", "inner", "expected"), [(300, 200, 200), (100, 200, 100)])
def test_the_smallest_limit_on_the_way_to_the_own_cgroup_holds(
    tmp_path: Path, line: str, files: str, outer: int, inner: int, expected: int
) -> None:
    own = tmp_path / "cgroup"
    own.write_text(f"9:name=systemd:/elsewhere\n{line}\n")
    write(tmp_path / files.format("outer/"), str(outer))
    write(tmp_path / files.format("outer/inner/"), str(inner))
    write(tmp_path / files.format("elsewhere/"), "1")
    assert memory_limit_bytes(tmp_path, own) == expected


def test_in_a_container_the_root_is_the_own_cgroup_whatever_its_path_outside(tmp_path: Path) -> None:
    own = tmp_path / "cgroup"
    own.write_text("4:memory:/kubepods/pod7/abc\n")
    write(tmp_path / "memory" / "memory.limit_in_bytes", "4096")
    assert memory_limit_bytes(tmp_path, own) == 4096
