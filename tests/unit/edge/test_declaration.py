"""Declarations read from files."""

from pathlib import Path

import pytest

from services.edge.declaration import Declaration, read_declaration


class Example(Declaration):
    parameters: dict[str, float | int | str]
    file: Path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-05", 1e-5),
        ("1E+6", 1e6),
        ("-2e3", -2000.0),
        ("1.0e-05", 1e-5),
        ("3", 3),
        ("0.5", 0.5),
        ("1e-05x", "1e-05x"),
    ],
)
def test_a_number_is_one_however_yaml_and_json_write_it(text: str, value: float | str, tmp_path: Path) -> None:
    for number, content in enumerate((f"parameters: {{p: {text}}}", f"parameters:\n  p: {text}\n")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(content)
        read = read_declaration(file, Example, file=file).parameters["p"]
        assert read == value
        assert type(read) is type(value)
