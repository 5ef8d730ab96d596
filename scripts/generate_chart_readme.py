"""Write the chart's values, with their defaults and comments, into charts/strata/README.md.

    python scripts/generate_chart_readme.py

The text around the table is written by hand; `values` between the two marks is replaced.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parents[1] / "charts" / "strata"
BEGIN, END = "<!-- values: begin -->\n", "<!-- values: end -->\n"
_WHOLE = {"models", "files", "requests", "limits", "resources", "nodeSelector", "affinity", "labels"}
"""Maps that a user fills: one value, not a section."""


@dataclass(frozen=True)
class Value:
    """A value of the chart: its path, its default, and the comment above it; a section has no default."""

    path: tuple[str, ...]
    default: Any
    comment: str
    is_section: bool


def read_values(text: str) -> Iterator[Value]:
    """Walk values.yaml in the order of its lines; comments belong to the key below them."""
    values = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        key = re.match(r"^( *)([A-Za-z]\w*):", line)
        if note := re.match(r"^ *# ?(.*)", line):
            comment.append(note[1])
        elif key:
            path = [*path[: len(key[1]) // 2], key[2]]
            if not any(each in _WHOLE for each in path[:-1]):
                default = values
                for part in path:
                    default = default[part]
                is_section = isinstance(default, dict) and key[2] not in _WHOLE and bool(default)
                yield Value(tuple(path), default, " ".join(comment), is_section)
            comment = []
        else:
            comment = []


def render(values: Iterator[Value]) -> str:
    """Return one table, sections in bold."""
    rows = ["| value | default | |", "| --- | --- | --- |"]
    for value in values:
        name = f"`{'.'.join(value.path)}`"
        default = "" if value.is_section else f"`{json.dumps(value.default)}`"
        rows.append(
            f"| {f'**{name}**' if value.is_section else name} | {default} | {value.comment.replace('|', '/')} |"
        )
    return "\n".join(rows) + "\n"


def generated(readme: str, values: str) -> str:
    """Return the README with the table in its place."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{render(read_values(values))}{END}{after}"


def main() -> int:
    """Write the file."""
    file = CHART / "README.md"
    file.write_text(generated(file.read_text(), (CHART / "values.yaml").read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
