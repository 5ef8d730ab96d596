"""The cgroups that this process lies in, version 1 or 2: their limits hold for it too."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
"""The cgroup file system as this process sees it: in a container often its own cgroup alone."""
OWN = Path("/proc/self/cgroup")
"""Which cgroups this process is in, as cgroups(7) has it."""


def cgroups_of(controller: str, own: Path = OWN) -> tuple[PurePosixPath, PurePosixPath]:
    """Read the paths of this process's cgroup of a controller, of version 1 and of version 2; "/" where none is."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    first = next((path for _, names, path in lines if controller in names.split(",")), "/")
    second = next((path for _, names, path in lines if not names), "/")
    return PurePosixPath(first), PurePosixPath(second)


def folders_of(controller: str, root: Path = ROOT, own: Path = OWN) -> tuple[Iterator[Path], Iterator[Path]]:
    """The folders of that cgroup and of those that it lies in, of version 1 and of version 2; not all need be there."""
    first, second = cgroups_of(controller, own)
    return _upwards(root / controller, first), _upwards(root, second)


def _upwards(root: Path, cgroup: PurePosixPath) -> Iterator[Path]:
    return (root / each.relative_to("/") for each in (cgroup, *cgroup.parents))
