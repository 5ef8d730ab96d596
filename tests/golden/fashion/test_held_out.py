"""examples/fashion/accuracy.json against the 10 000 held-out pictures."""

import pytest

from examples.fashion.dataset import FOLDER, read_held_out
from examples.fashion.evaluate import evaluate
from examples.fashion.train import HERE
from services.edge.declaration import read_declaration
from services.ensemble.accuracy import AccuracyFile

A_FEW_PICTURES = 5e-4


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_stated_accuracies_are_measured_again() -> None:
    """To within a few pictures: another machine's arithmetic may turn a close call."""
    stated, measured = read_declaration(HERE / "accuracy.json", AccuracyFile), evaluate(read_held_out())
    assert measured.pictures == 10_000
    for said, found in zip(stated.subsets, measured.subsets, strict=True):
        assert said.models == found.models
        assert said.value == pytest.approx(found.value, abs=A_FEW_PICTURES)
    assert stated.gain.over == measured.gain.over
    assert stated.gain.value == pytest.approx(measured.gain.value, abs=A_FEW_PICTURES)
    assert measured.gain.low > 0
