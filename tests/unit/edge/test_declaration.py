"""Declarations read from files."""

from pathlib import Path

import pytest

from services.edge.declaration import Declaration, read_declaration
from services.edge.errors import InvalidDeclaration


class Example(Declaration):
    parameters: dict[str, float | int | str]
    file: Path


class Anchors(Example):
    a: dict[str, int]
    b: dict[str, int]


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


@pytest.mark.parametrize("text", ["parameters: {p: 1, q: 2, p: 3}", "parameters: {p: 1}\nparameters: {q: 2}\n"])
def test_a_key_that_is_given_twice_is_a_fault_with_its_place(text: str, tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text(text)
    with pytest.raises(InvalidDeclaration, match=r"twice.yaml.*the key 'p(arameters)?' is given twice(.|\n)*line \d"):
        read_declaration(file, Example, file=file)


def test_what_an_anchor_brings_may_be_overridden(tmp_path: Path) -> None:
    file = tmp_path / "anchor.yaml"
    file.write_text("a: &a {p: 1, q: 2}\nb: &b {<<: *a, p: 3}\nparameters: {<<: *b, r: 4}")
    assert read_declaration(file, Anchors, file=file).parameters == {"p": 3, "q": 2, "r": 4}
