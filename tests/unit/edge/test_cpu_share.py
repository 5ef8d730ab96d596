import math
from pathlib import Path

import pytest

from services.edge.cpu_share import cpu_quota, thread_count

NOWHERE = Path("/nowhere")


def cgroup_v2(root: Path, text: str) -> Path:
    (root / "cpu.max").write_text(text)
    return root


def cgroup_v1(root: Path, quota_us: int) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota_us}\n")
    (root / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    return root


@pytest.mark.parametrize(("text", "cpus"), [("50000 100000\n", 0.5), ("max 100000\n", math.inf)])
def test_version_2_quota_is_read_in_cpus(tmp_path: Path, text: str, cpus: float) -> None:
    assert cpu_quota(cgroup_v2(tmp_path, text), NOWHERE) == cpus


@pytest.mark.parametrize(("quota_us", "cpus"), [(150000, 1.5), (-1, math.inf)])
def test_version_1_quota_is_read_in_cpus(tmp_path: Path, quota_us: int, cpus: float) -> None:
    assert cpu_quota(cgroup_v1(tmp_path, quota_us), NOWHERE) == cpus


def test_threads_are_whole_cpus_of_the_smaller_limit_and_at_least_one(tmp_path: Path) -> None:
    assert thread_count(tmp_path, NOWHERE, affinity=4) == 4
    assert thread_count(cgroup_v2(tmp_path, "50000 100000"), NOWHERE, affinity=4) == 1
    assert thread_count(cgroup_v2(tmp_path, "250000 100000"), NOWHERE, affinity=4) == 2
    assert thread_count(cgroup_v2(tmp_path, "800000 100000"), NOWHERE, affinity=2) == 2


@pytest.mark.parametrize(
    ("line", "files"),
    [("1:cpu,cpuacct:/outer/inner", "cpu/{}cpu.cfs_quota_us"), ("0::/outer/inner", "{}cpu.max")],
    ids=["version 1", "version 2"],
)
@pytest.mark.parametrize(("outer", "inner", "expected"), [(3, 2, 2.0), (1, 2, 1.0)])
def test_the_smallest_quota_on_the_way_to_the_own_cgroup_holds(
    tmp_path: Path, line: str, files: str, outer: int, inner: int, expected: float
) -> None:
    own = tmp_path / "cgroup"
    own.write_text(f"9:cpuset:/elsewhere\n{line}\n")
    for folder, cpus in (("outer/", outer), ("outer/inner/", inner), ("elsewhere/", 0.5)):
        path = tmp_path / files.format(folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        quota_us = f"{cpus * 100_000:.0f}"
        path.write_text(f"{quota_us} 100000\n" if path.name == "cpu.max" else quota_us)
        (path.parent / "cpu.cfs_period_us").write_text("100000")
    assert cpu_quota(tmp_path, own) == expected
