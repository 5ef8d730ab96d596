"""Remedies are offered only where they help the whole model, and applied they do what was measured."""

import time

import pytest
import torch
from torch import Tensor

from quant.calibration import calibrate
from quant.observations import observe
from quant.precision import Mode
from quant.scales import Calibration
from quant.statistics import sqnr_db
from services.edge.progress import no_progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.pictures import DecodedPicture, as_input
from services.workbench.remedies import EVERY_LAYER
from services.workbench.report import MeasuredModel, make_report
from services.zoo.integers import Integers


@pytest.fixture(scope="module")
def pictures(x: Tensor) -> list[DecodedPicture]:
    """Bright and dark, all of them unlike."""
    return [DecodedPicture(f"{level}", (x[0] * level).to(torch.uint8)) for level in (255, 200, 240, 150, 90)]


def calibrated(model: EngineModel, inputs: list[Tensor], algorithm: str = "best") -> Calibration:
    return calibrate(model.graph.layers, observe(model.graph, inputs), algorithm).calibration


def measured(model: EngineModel, calibration: Calibration, pictures: list[DecodedPicture]) -> MeasuredModel:
    return make_report(model, Integers(calibration), pictures, time.perf_counter, no_progress)


def model_db(model: EngineModel, integers: Integers, pictures: list[DecodedPicture]) -> float:
    """Of the answers to the first four pictures."""
    inputs = [as_input(model, picture) for picture in pictures[:4]]
    in_float, in_int8 = (engine_of(model, mode, integers) for mode in (Mode.FLOAT, Mode.INT8))
    return sqnr_db(*(torch.cat([engine.run(x)["head"] for x in inputs]) for engine in (in_float, in_int8)))


@pytest.mark.parametrize("level", [0.02, 0.2, 6.0], ids=["far too dark", "too dark", "too bright"])
def test_where_the_calibrations_pictures_are_the_cause_others_are_the_remedy(
    model: EngineModel, pictures: list[DecodedPicture], level: float
) -> None:
    inputs = [as_input(model, picture) * level for picture in pictures]
    found = measured(model, calibrated(model, inputs), pictures)
    first = found.report.remedies[0]
    assert (first.layer, first.offered) == (EVERY_LAYER, True)
    assert "pictures such as these" in first.action
    assert first.model_after_db > first.model_before_db + 1


def test_pictures_like_the_calibrations_are_not_blamed(model: EngineModel, pictures: list[DecodedPicture]) -> None:
    own = calibrated(model, [as_input(model, picture) for picture in pictures])
    assert all(row.layer != EVERY_LAYER for row in measured(model, own, pictures).report.remedies)


@pytest.mark.parametrize("algorithm", ["best", "minmax", "kl", "log2-paper"])
def test_each_remedy_helps_on_top_of_those_before_and_applied_they_do_what_was_measured(
    model: EngineModel, pictures: list[DecodedPicture], algorithm: str
) -> None:
    before = calibrated(model, [as_input(model, picture) for picture in pictures], algorithm)
    report, remedied = measured(model, before, pictures)
    reached = model_db(model, Integers(before), pictures)
    for row in report.remedies:
        assert row.model_before_db == pytest.approx(reached, abs=1e-3)
        if row.offered:
            assert row.model_after_db >= row.model_before_db + 0.1
        else:
            assert row.action.startswith("none: ")
            assert (row.after_db, row.model_after_db) == (row.before_db, row.model_before_db)
        reached = row.model_after_db
    assert (remedied is None) == (not any(row.offered for row in report.remedies))
    if remedied:
        assert model_db(model, remedied, pictures) == pytest.approx(reached, abs=1e-3)
    assert remedied or algorithm != "log2-paper"
