"""What an ensemble file may say, and how its faults are named."""

from pathlib import Path

import pytest

from services.edge.errors import InvalidDeclaration
from services.ensemble.domain import Ensemble, EnsembleMode, Member, Rule
from services.ensemble.ensemble_file import read_ensemble_file


def write(folder: Path, text: str) -> Path:
    path = folder / "e.yaml"
    path.write_text(text)
    return path


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    file = read_ensemble_file(write(tmp_path, "name: pair\nmembers: [{model: a}, {model: b}]\n"))
    assert file.ensemble() == Ensemble("pair", (Member("a"), Member("b")), Rule.MEAN, EnsembleMode.PARALLEL, 2000)
    assert file.accuracy_path is None


def test_the_accuracy_lies_beside_the_file(tmp_path: Path) -> None:
    file = read_ensemble_file(write(tmp_path, "name: one\nmembers: [{model: a}]\naccuracy: t/accuracy.json\n"))
    assert file.accuracy_path == tmp_path / "t/accuracy.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nmembers: [{model: a}]\nrul: mean\n", "rul: no such key; did you mean 'rule'?"),
        ("name: x\nmembers: [{model: a, wieght: 2}]\n", "members.0.wieght: no such key; did you mean 'weight'?"),
        ("name: x\nmembers: [{model: a}]\nrule: median\n", "rule: Input should be 'mean', 'weighted' or 'majority'"),
        ("name: x\nmembers: [{model: a}]\nmode: both\n", "mode: Input should be 'parallel' or 'serial'"),
        ("name: x\nmembers: [{model: a, weight: 0}]\n", "members.0.weight: Input should be greater than 0"),
        ("name: x\nmembers: [{model: a, weight: .inf}]\n", "members.0.weight: Input should be a finite number"),
        ("name: x\nmembers: [{model: a}, {model: a}]\n", "'a' is named 2 times"),
        ("name: x\nmembers: [{model: a, weight: 2}]\n", "weights count only with rule weighted"),
        ("name: x\nmembers: []\n", "members: Tuple should have at least 1 item"),
        ("name: x\n", "members: Field required"),
        ("name: x\nmembers: [{model: a}]\ndeadline_ms: 0\n", "deadline_ms: Input should be greater than 0"),
        (
            f"name: x\nmembers: [{{model: a}}]\ndeadline_ms: {2**32}\n",
            "deadline_ms: Input should be less than or equal to 3600000",
        ),
        ("name: [\n", "not YAML"),
        ("name: 2024-13-45\n", "not YAML: month must be in 1..12"),
        ("- a\n", "expected keys and values"),
    ],
)
def test_a_fault_names_file_field_and_what_to_write(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidDeclaration) as caught:
        read_ensemble_file(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        read_ensemble_file(write(tmp_path, "name: X\nmembers: [{model: a}]\nrule: none\ndeadline_ms: -1\n"))
    assert len(str(caught.value).splitlines()) == 3
