"""The figures of one area as a flat JSON object, and as a table for people."""

import json
import operator
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypedDict

from rich.table import Table

from services.edge.errors import InvalidInput
from services.edge.whole_files import write_whole


class Provenance(TypedDict):
    """Where figures come from: processor and cores, instruction set, versions by package."""

    machine: str
    isa: str
    versions: dict[str, str]


def provenance(isa: str, packages: Sequence[str]) -> Provenance:
    """Say where figures that are measured now come from."""
    return {
        "machine": _machine(),
        "isa": isa,
        "versions": {"python": sys.version.split()[0], **_versions(("strata", *packages))},
    }


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


def write(path: Path, figures: Mapping[str, float], provenance: Provenance) -> None:
    """Write figures and provenance as one object, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole({path: (json.dumps({**figures, **provenance}, indent=1) + "\n").encode()})


def read_figures(path: Path) -> dict[str, float]:
    """Read the figures of a file that `write` wrote."""
    return {key: value for key, value in json.loads(path.read_text()).items() if isinstance(value, int | float)}


def begun(path: Path, isa: str) -> dict[str, float]:
    """The figures that an earlier run wrote, to go on from; none where there is no file.

    Raises:
        InvalidInput: they were measured with other instructions.
    """
    if not path.is_file():
        return {}
    theirs = json.loads(path.read_text()).get("isa")
    if theirs != isa:
        raise InvalidInput(f"{path} was measured with {theirs}, this processor has {isa}; leave out --merge")
    return read_figures(path)


def table(title: str, figures: Mapping[str, float], bars: Mapping[str, str]) -> Table:
    """Lay figures out beside the bars they are held to: text such as "<= 3", by key. Low and high stay in the file."""
    shown = Table(title=title)
    for heading in ("figure", "measured", "bar", ""):
        shown.add_column(heading, justify="left" if heading == "figure" else "right")
    for key, value in figures.items():
        if not key.endswith((".low", ".high")):
            bar = bars.get(key, "")
            shown.add_row(key, f"{value:.4g}", bar, "" if not bar else "met" if meets(value, bar) else "missed")
    return shown


def meets(value: float, bar: str) -> bool:
    """Hold a figure against a bar: a sign, <=, >= or >, and a number."""
    sign, limit = bar.split()
    holds: Callable[[float, float], bool] = {"<=": operator.le, ">=": operator.ge, ">": operator.gt}[sign]
    return holds(value, float(limit))
