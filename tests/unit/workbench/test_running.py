"""How one picture is run and timed."""

from collections.abc import Iterator
from itertools import accumulate

import pytest
import torch

from quant.kernels.script import script
from quant.precision import Mode
from quant.scales import Calibration
from services.workbench.calibrating import calibrate_model
from services.workbench.engine_model import EngineModel
from services.workbench.pictures import DecodedPicture
from services.workbench.running import run_picture
from services.zoo.integers import Integers

GREY = DecodedPicture("grey", torch.full((3, 32, 32), 127, dtype=torch.uint8))


def test_the_time_is_that_of_the_compiled_script(
    model: EngineModel, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[bool] = []

    def compiling(*arguments: object) -> object:
        compiled.append(True)
        return script(*arguments)  # type: ignore[arg-type]

    def clock() -> float:
        assert compiled == [True], "the run that compiles is timed"
        return next(readings)

    monkeypatch.setattr("quant.engine.script", compiling)
    readings = accumulate(durations(9.0, 1.0, 2.0))
    found = run_picture(model, Integers(calibration), Mode.INT8, GREY, clock)
    assert found.latency_ms == 2000


def durations(*seconds: float) -> Iterator[float]:
    """Between two readings of a clock: each run's time, and none between a run's end and the next one's start."""
    yield 0.0
    for each in seconds:
        yield each
        yield 0.0


def test_pictures_are_decoded_once_though_auto_measures_on_them_too(model: EngineModel) -> None:
    class Counted:
        asked = 0

        def __len__(self) -> int:
            return 2

        def __iter__(self) -> Iterator[DecodedPicture]:
            for _ in range(2):
                self.asked += 1
                yield GREY

    pictures = Counted()
    ticks = accumulate(iter(lambda: 1.0, None))
    found = calibrate_model(model, pictures, "minmax", augment=True, clock=lambda: next(ticks))
    assert found.front is not None
    assert pictures.asked == 2
