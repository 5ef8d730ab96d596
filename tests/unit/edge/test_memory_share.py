"""The memory limit is the cgroup's, of either version; none is infinity."""

import math
from pathlib import Path

import pytest

from services.edge.memory_share import memory_limit_bytes


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
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text)
    assert memory_limit_bytes(tmp_path) == expected


def test_where_there_is_no_file_there_is_no_limit(tmp_path: Path) -> None:
    assert memory_limit_bytes(tmp_path) == math.inf
