"""What a cross says in words."""

import pytest

from quant.crossing import Crossing
from quant.decibels import NO_NOISE_DB
from quant.diagnosis import diagnose


def crossed(layer: str, own_db: float) -> Crossing:
    return Crossing(layer, "int8", own_db, 40.0, 30.0)


def test_a_layer_that_adds_most_of_the_error_is_named() -> None:
    found = diagnose([crossed("a", 40), crossed("b", 10), crossed("c", 40)])
    assert found.worst == "b"
    assert found.words.startswith("One bad layer: b adds 100% of the error by itself.")
    assert sum(found.shares.values()) == pytest.approx(1)


def test_many_equal_errors_are_diffuse() -> None:
    found = diagnose([crossed(layer, 30) for layer in "abcdefgh"])
    assert found.words.startswith("Diffuse: no layer adds more than 12% of the error; the worst 5 add 62% together.")


def test_exact_layers_have_no_share_and_a_model_of_them_has_no_fault() -> None:
    assert diagnose([crossed("a", NO_NOISE_DB), crossed("b", 20)]).shares["a"] == 0
    found = diagnose([crossed("a", NO_NOISE_DB)])
    assert (found.words, found.worst) == ("Integers lose nothing: every layer is exact.", "")
