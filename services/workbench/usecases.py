"""What `strata quant` does, without a terminal: each function takes a model and gives values to show."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from quant.calibration import BEST, Calibrated, Granularity, calibrate
from quant.cpu import this_cpu
from quant.crossing import Crossing, cross
from quant.engine import Engine
from quant.observations import Observations, observe
from quant.plan_choice import Clock, PlanChoice, careful_plan, choose_plan, mixed_plan, time_layers
from quant.precision import Mode, Plan, Precision, uniform_plan
from quant.scales import Calibration
from services.edge.errors import FailedPrecondition
from services.workbench.answers import agreement
from services.workbench.model import Model
from services.workbench.pictures import inputs_of

Progress = Callable[[str], None]
"""Told what was just finished."""

AGREEMENT_PICTURES = 32
DETECTION_THRESHOLD = 0.25


@dataclass(frozen=True, eq=False)
class Integers:
    """A model's calibration, and the plan of `auto` where one was chosen."""

    calibration: Calibration = field(default_factory=Calibration)
    auto_plan: Plan = field(default_factory=dict)


def calibrate_model(
    model: Model,
    pictures: Sequence[Path],
    algorithm: str = BEST,
    granularity: Granularity = Granularity.CHANNEL,
    *,
    augmented: bool = False,
    progress: Progress = lambda _: None,
) -> tuple[Calibrated, Observations]:
    """One float pass over the pictures, then a choice per value and layer; 7-bit weights where the processor needs it.

    Raises:
        EmptyCalibration, AlgorithmNotFound, NonFiniteValue; NotAPicture and ArtifactNotFound naming the file.
    """

    def told() -> Iterator[Tensor]:
        for x in inputs_of(model, pictures, augmented=augmented):
            yield x
            progress("picture")

    observations = observe(model.graph, told())
    bits = this_cpu().weight_bits
    found = calibrate(model.graph.layers, observations, algorithm, granularity, bits, on_layer=progress)
    return found, observations


def engine_of(model: Model, mode: Mode, integers: Integers) -> Engine:
    """The model ready to run in a mode.

    Raises:
        NotCalibrated: an integer mode without scales.
        FailedPrecondition: AUTO without a plan.
    """
    if mode is Mode.AUTO:
        if not integers.auto_plan:
            raise FailedPrecondition(
                "auto has no plan for this model yet; `strata quant calibrate --auto` measures one"
            )
        return Engine(model.graph, integers.auto_plan, integers.calibration)
    return Engine(model.graph, uniform_plan(model.graph, mode), integers.calibration)


def cross_model(model: Model, integers: Integers, x: Tensor, mode: Mode = Mode.INT8) -> list[Crossing]:
    """Every layer in both precisions on both inputs."""
    return list(cross(engine_of(model, Mode.FLOAT, integers), engine_of(model, mode, integers), x))


def choose_auto(model: Model, calibration: Calibration, inputs: Sequence[Tensor], clock: Clock) -> PlanChoice:
    """Measure float, int8 and mixed plans on this machine and take the fastest that keeps the answers.

    Args:
        inputs: [1, C, H, W] each; the first is timed, up to 32 are compared.
    """
    integers = Integers(calibration)
    in_float, in_int8 = (engine_of(model, mode, integers) for mode in (Mode.FLOAT, Mode.INT8))
    x = inputs[0]
    errors = {row.layer: row for row in cross(in_float, in_int8, x)}
    mixed, kept = mixed_plan(model.graph, time_layers(in_float, in_int8, x, clock), errors)
    candidates = {"float": in_float, "int8": in_int8}
    if mixed != in_int8.plan:
        candidates["mixed"] = Engine(model.graph, mixed, calibration, reuse=in_int8)
    compared = inputs[:AGREEMENT_PICTURES]
    wanted = [in_float.run(each) for each in compared]

    def points_lost(engine: Engine) -> float:
        found = [engine.run(each) for each in compared]
        return 100 * (1 - agreement(model, wanted, found, DETECTION_THRESHOLD).fraction)

    losses = {name: 0.0 if engine is in_float else points_lost(engine) for name, engine in candidates.items()}
    if all(losses[name] >= 1 for name in candidates if name != "float"):
        # nothing integer keeps the answers: give back the worst layers, more of them until one does
        weighted = sum(precision is Precision.INT8 for precision in in_int8.plan.values())
        for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2):
            plan, kept = careful_plan(in_int8.plan, errors, math.ceil(weighted * share))
            candidates["mixed"] = Engine(model.graph, plan, calibration, reuse=in_int8)
            losses["mixed"] = points_lost(candidates["mixed"])
            if losses["mixed"] < 1:
                break
    return choose_plan(model.graph, candidates, kept, losses, x, clock)
