"""One word per thing: a class name stands for one class."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ONE_A_PROCESS = {"Settings"}
"""Each process reads its own settings into a class of this name."""


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for package in ("quant", "services"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "contracts" not in path.parts:
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.ClassDef):
                        places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in ONE_A_PROCESS} == {}
