"""The verb `run`: one picture through a model in one mode, its findings and its time."""

from dataclasses import dataclass
from statistics import median
from typing import TypedDict

from torch import Tensor

from quant.engine import Engine
from quant.precision import Mode
from services.edge.deadline import Clock
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import Findings, find
from services.workbench.pictures import DecodedPicture, as_input
from services.zoo.integers import Integers

_WARM_RUNS = 2
"""An engine calls its kernels one by one in its first run, and compiles its script in the second."""
_LEAST_RUNS, _MEASURED_S = 3, 0.5


@dataclass(frozen=True)
class PictureRun:
    """What one picture gave.

    Attributes:
        isa: the instruction set it ran with.
        latency_ms: of one run of the model, the median of several once it is compiled; None where it was not timed.
    """

    mode: Mode
    isa: str
    latency_ms: float | None
    findings: Findings


class Naming(TypedDict, total=False):
    """What of the findings is named: `top` classes of a classifier, a detector's boxes from `threshold` on, 0 to 1."""

    top: int
    threshold: float


def run_picture(
    model: EngineModel,
    integers: Integers,
    mode: Mode,
    picture: DecodedPicture,
    clock: Clock | None,
    *,
    top: int = 5,
    threshold: float = 0.5,
) -> PictureRun:
    """Run one picture, and time the run.

    Args:
        clock: seconds, as `time.perf_counter`; None leaves the time out.
        top: how many classes a classifier names.
        threshold: the least score of a detector's box, 0 to 1.
    Raises:
        NotCalibrated: an integer mode without scales.
        NoAutoPlan: AUTO without a measured plan.
        PictureTooLarge: too narrow for the model.
    """
    engine = engine_of(model, mode, integers)
    x = as_input(model, picture)
    outputs = engine.run(x)
    latency_ms = None if clock is None else _latency_s(engine, x, clock) * 1e3
    return PictureRun(mode, engine.cpu.isa, latency_ms, find(model, outputs, picture.size, threshold, top))


def _latency_s(engine: Engine, x: Tensor, clock: Clock) -> float:
    for _ in range(_WARM_RUNS - 1):  # the run that gave the outputs was the first
        engine.run(x)
    seconds = list[float]()
    while len(seconds) < _LEAST_RUNS or sum(seconds) < _MEASURED_S:
        started = clock()
        engine.run(x)
        seconds.append(clock() - started)
    return median(seconds)
