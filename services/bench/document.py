"""The figures of one area as a flat JSON object, and as a table for people."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table


def provenance(isa: str, packages: Sequence[str]) -> dict[str, object]:
    """Say where figures come from: processor, cores, instruction set, versions."""
    return {"machine": _machine(), "isa": isa, "versions": {"python": sys.version.split()[0], **_versions(packages)}}


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(path: Path, figures: Mapping[str, float], provenance: Mapping[str, object]) -> None:
    """Write figures and provenance as one object, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        json.dump({**figures, **provenance}, file, indent=1)
        file.write("\n")
    Path(file.name).replace(path)


def table(title: str, figures: Mapping[str, float], bars: Mapping[str, str]) -> Table:
    """Lay figures out beside the bars they are held to; `bars` maps a key, or the part before its last dot, to text."""
    shown = Table(title=title)
    shown.add_column("figure")
    shown.add_column("measured", justify="right")
    shown.add_column("bar", justify="right")
    for key, value in figures.items():
        shown.add_row(key, f"{value:.4g}", bars.get(key, bars.get(key.rpartition(".")[0], "")))
    return shown
