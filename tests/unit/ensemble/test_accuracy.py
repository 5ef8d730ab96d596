"""Counting right answers of every subset, and the table that deadlines use."""

import json
from pathlib import Path

import numpy as np
import pytest

from services.edge.errors import EmptyBatch, InvalidDeclaration, ShapeMismatch
from services.ensemble.accuracy_file import read_accuracy, write_accuracy
from services.ensemble.domain import Ensemble, EnsembleMode, Member, Rule
from services.ensemble.intervals import paired_difference, wilson
from services.ensemble.rules import combine, softmax
from services.ensemble.tally import Tally

ENSEMBLE = Ensemble("e", (Member("a", 2.0), Member("b"), Member("c")), Rule.WEIGHTED, EnsembleMode.PARALLEL, 1000)
N, K = 500, 5


def measured() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Three models that know the truth, each through noise of its own."""
    random = np.random.default_rng(3)
    truth = random.integers(0, K, N)
    return {model: np.eye(K)[truth] * 2 + random.normal(0, 1, (N, K)) for model in ENSEMBLE.models}, truth


def tally() -> Tally:
    logits, truth = measured()
    counted = Tally(ENSEMBLE)
    for start in range(0, N, 64):
        rows = slice(start, start + 64)
        counted.add({model: each[rows] for model, each in logits.items()}, truth[rows].tolist())
    return counted


def test_every_subset_is_measured_as_if_all_were_in_memory() -> None:
    logits, truth = measured()
    counted = tally()
    assert len(counted.subsets) == 7
    for subset in counted.subsets:
        weights = [2.0 if model == "a" else 1.0 for model in subset]
        probabilities = softmax(np.stack([logits[model] for model in subset]))
        right = combine(Rule.WEIGHTED, probabilities, weights).argmax(axis=-1) == truth
        assert counted.accuracy(subset) == wilson(int(right.sum()), N)


def test_the_gain_is_paired_picture_by_picture() -> None:
    logits, truth = measured()
    counted = tally()
    best = logits[counted.best].argmax(axis=-1) == truth
    probabilities = softmax(np.stack([logits[model] for model in ENSEMBLE.models]))
    whole = combine(Rule.WEIGHTED, probabilities, [2.0, 1.0, 1.0]).argmax(axis=-1) == truth
    counts = [int(each.sum()) for each in (whole & best, whole & ~best, ~whole & best, ~whole & ~best)]
    assert counted.gain() == paired_difference(*counts)
    assert counted.gain().value > 0


def test_the_table_is_written_and_read_back(tmp_path: Path) -> None:
    counted = tally()
    write_accuracy(tmp_path / "accuracy.json", counted.file())
    table = read_accuracy(tmp_path / "accuracy.json", ENSEMBLE)
    assert table is not None
    assert table.expected(["c", "a"]) == counted.accuracy(("a", "c")).value
    assert table.expected(["a", "nobody"]) is None
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy.json"]


def test_a_table_that_is_not_there_is_not_measured_yet(tmp_path: Path) -> None:
    assert read_accuracy(tmp_path / "accuracy.json", ENSEMBLE) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rule": "majority"}, "rule: measured with majority"),
        ({"weights": {"a": 1.0, "b": 1.0, "c": 1.0}}, "weights: measured with"),
        ({"pictures": "many"}, "pictures"),
    ],
)
def test_a_table_of_another_ensemble_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = tmp_path / "accuracy.json"
    path.write_text(json.dumps({**tally().file().model_dump(mode="json"), **change}))
    with pytest.raises(InvalidDeclaration) as caught:
        read_accuracy(path, ENSEMBLE)
    assert said in str(caught.value)


def test_nothing_counted_is_no_table() -> None:
    with pytest.raises(EmptyBatch):
        Tally(ENSEMBLE).file()


def test_members_that_do_not_score_the_same_classes_are_named() -> None:
    logits = {"a": np.zeros((1, 10)), "b": np.zeros((1, 1000)), "c": np.zeros((1, 10))}
    with pytest.raises(ShapeMismatch, match="'a' 10, 'b' 1000, 'c' 10"):
        Tally(ENSEMBLE).add(logits, [0])


def test_a_class_that_the_models_do_not_know_is_refused() -> None:
    with pytest.raises(InvalidDeclaration, match=f"class {K}; the models know 0 to {K - 1}"):
        Tally(ENSEMBLE).add({model: np.zeros((2, K)) for model in ENSEMBLE.models}, [0, K])
