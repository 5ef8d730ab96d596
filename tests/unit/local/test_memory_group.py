"""A memory cgroup: its processes are held to the limit from their first byte on, and it is gone afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.edge.errors import Unsupported
from services.local.memory_group import MemoryGroup, memory_group

MIB = 2**20
HOLD = "import sys; held = bytearray(int(sys.argv[1])); print(len(held))"


def hold(group: MemoryGroup, size_bytes: int) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([*group.wrapper, sys.executable, "-c", HOLD, str(size_bytes)], capture_output=True)


def test_a_process_that_needs_more_is_ended_by_the_kernel_and_one_that_needs_less_is_not() -> None:
    try:
        with memory_group(64 * MIB) as group:
            assert hold(group, 24 * MIB).returncode == 0
            assert group.oom_kills() == 0
            assert hold(group, 96 * MIB).returncode == -9
            assert group.oom_kills() == 1
            assert hold(group, 24 * MIB).returncode == 0
    except Unsupported as error:
        pytest.skip(str(error))
    assert not group.folder.exists()


def test_of_version_2_the_nearest_cgroup_that_hands_the_controller_on_is_taken(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    with memory_group(5 * MIB, tmp_path) as group:
        assert group.folder.parent == tmp_path
        assert (group.folder / "memory.max").read_text() == str(5 * MIB)
        (group.folder / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
        assert group.oom_kills() == 2
        for path in group.folder.iterdir():  # which a kernel's folder does by itself
            path.unlink()
    assert list(tmp_path.iterdir()) == [tmp_path / "cgroup.subtree_control"]


@pytest.mark.parametrize("controllers", ["cpu io\n", None])
def test_without_the_controller_it_is_said_that_memory_cannot_be_limited(
    tmp_path: Path, controllers: str | None
) -> None:
    if controllers:
        (tmp_path / "cgroup.subtree_control").write_text(controllers)
    with pytest.raises(Unsupported, match="cannot be limited"), memory_group(MIB, tmp_path):
        pass
