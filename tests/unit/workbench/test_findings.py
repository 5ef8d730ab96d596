"""How far two runs agree: by one threshold, however many candidates either has."""

import pytest
import torch
from torch import Tensor

from quant.graph import INPUT, Graph, Layer
from quant.operations import Yolo
from services.workbench.engine_model import EngineModel
from services.workbench.findings import (
    agreement,
    boxes,
    compare_outcomes,
    crowded_threshold,
    outcome,
    outcome_like,
)
from services.zoo.detection import MOST_CANDIDATES, Size

SIDE = 32
CELLS = SIDE * SIDE


@pytest.fixture(scope="module")
def detector() -> EngineModel:
    """One anchor of one class over 32 x 32 cells, boxes of a pixel: no box overlaps another."""
    graph = Graph((6, SIDE, SIDE), (Layer("head", Yolo(1, ((1.0, 1.0),)), (INPUT,)),), ("head",))
    return EngineModel("cells", graph, ("it",), None, "drawn here", True)


def outputs_of(scores: Tensor) -> dict[str, Tensor]:
    """A head's value whose cells score so much, [CELLS]."""
    value = torch.zeros(1, 6, CELLS)
    value[:, :2] = 0.5
    value[:, 4], value[:, 5] = scores, 1.0
    return {"head": value.view(1, 6, SIDE, SIDE)}


def test_two_runs_are_held_to_one_threshold_though_their_300th_scores_differ(detector: EngineModel) -> None:
    scores = torch.linspace(0.3, 0.9, CELLS)
    raised = scores.clone()
    raised[: CELLS // 2] = 0.95  # the other run is surer of what is weak in the first: its own 300 are others
    first, second = outputs_of(scores), outputs_of(raised)
    thresholds = crowded_threshold(detector, first), crowded_threshold(detector, second)
    assert thresholds[0] < thresholds[1]
    found = agreement(detector, [first], [second], 0.25)
    # all 300 of the first are in the second too, beside the 512 that were raised
    assert found.boxes == pytest.approx(2 * MOST_CANDIDATES / (2 * MOST_CANDIDATES + CELLS // 2))
    assert len(boxes(detector, second, Size(SIDE, SIDE), 0.25)) <= MOST_CANDIDATES


def test_answers_reduced_one_by_one_agree_as_whole_runs_do(detector: EngineModel) -> None:
    g = torch.Generator().manual_seed(0)
    first = [outputs_of(torch.rand(CELLS, generator=g)) for _ in range(3)]
    second = [outputs_of((each["head"][0, 4].flatten() + 0.05).clamp(max=1)) for each in first]
    wanted = [outcome(detector, each, 0.25) for each in first]
    found = [outcome_like(detector, each, one) for each, one in zip(second, wanted, strict=True)]
    agreed = compare_outcomes(wanted, found)
    assert agreed == agreement(detector, first, second, 0.25)
    assert 0.5 < agreed.fraction < 1
