"""An answer counts by its margin: what is near the threshold is no loss."""

import pytest
import torch
from torch import Tensor

from quant.graph import INPUT, Graph, Layer
from quant.operations import Flatten, Yolo
from services.workbench.engine_model import EngineModel
from services.workbench.margins import points_lost

DETECTOR = EngineModel(
    "cells", Graph((6, 8, 8), (Layer("head", Yolo(1, ((1.0, 1.0),)), (INPUT,)),), ("head",)), ("it",), None, "", True
)
CLASSIFIER = EngineModel(
    "two", Graph((1, 1, 2), (Layer("scores", Flatten(), (INPUT,)),), ("scores",)), (), None, "", True
)


def cells(*scores: float) -> dict[str, Tensor]:
    """A head whose first cells, two pixels apart, score so much."""
    value = torch.zeros(1, 6, 64)
    value[:, :2], value[:, 5] = 0.5, 1.0
    for number, score in enumerate(scores):
        value[:, 4, 2 * number] = score
    return {"head": value.view(1, 6, 8, 8)}


def classes(first: float) -> dict[str, Tensor]:
    """Scores that give the first of two classes such a probability."""
    return {"scores": torch.tensor([[first, 1 - first]]).log()}


@pytest.mark.parametrize(
    ("first", "second", "lost"),
    [
        ((0.9, 0.8), (0.9, 0.8), 0),
        ((0.9, 0.26), (0.9, 0.24), 0),  # crossed the threshold, and has a partner just below
        ((0.9, 0.3), (0.9, 0.0), 100 * 0.5 / 2.5),  # half a margin above the threshold counts half
        ((0.9, 0.8), (0.9, 0.0), 100 / 3),
        ((0.9,), (0.9, 0.8), 100 / 3),
        ((), (), 0),
    ],
)
def test_a_box_counts_by_how_far_it_is_above_the_threshold(
    first: tuple[float, ...], second: tuple[float, ...], lost: float
) -> None:
    assert points_lost(DETECTOR, [cells(*first)], [cells(*second)], 0.25) == pytest.approx(lost, abs=1e-3)


def test_a_class_counts_by_its_lead_over_the_next() -> None:
    sure, unsure, other = classes(0.9), classes(0.51), classes(0.4)
    assert points_lost(CLASSIFIER, [sure, unsure], [sure, unsure], 0.25) == 0
    assert points_lost(CLASSIFIER, [sure, unsure], [sure, other], 0.25) == pytest.approx(100 * 0.2 / 1.2, rel=1e-3)
    assert points_lost(CLASSIFIER, [sure, unsure], [other, unsure], 0.25) == pytest.approx(100 / 1.2, rel=1e-3)
