"""The verb `calibrate`: a model's integers from pictures, and the plan of `auto` by measuring."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from quant.algorithms import algorithm_named
from quant.calibration import BEST, Calibrated, Choice, Granularity, calibrate
from quant.cpu import this_cpu
from quant.crossing import cross
from quant.engine import Engine
from quant.observations import Observations, observe, weighted_layers
from quant.plan_choice import Clock, PlanChoice, careful_plan, choose_plan, mixed_plan, time_layers
from quant.precision import Mode, Precision
from quant.scales import Calibration
from services.edge.progress import Progress, no_progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of, this_machine
from services.workbench.margins import points_lost
from services.workbench.pictures import Pictures, as_input, augmented
from services.zoo.integers import Integers, Machine

AGREEMENT_PICTURES = 32
DETECTION_THRESHOLD = 0.25


@dataclass(frozen=True)
class CalibrationSummary:
    """What people read of a calibration.

    Attributes:
        values, weights: every algorithm tried, by value and by layer.
        asked: the algorithm that was asked for, or BEST.
        auto: how the plan of AUTO was chosen, in words; empty where it was not measured.
        machine: what it was made on.
    """

    values: Mapping[str, Choice]
    weights: Mapping[str, Choice]
    asked: str
    auto: str
    machine: Machine


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """What calibrating found.

    Attributes:
        integers: to run, store or export the model with.
        found: every algorithm tried on every value and layer, and which was taken.
        observations: what the pictures showed.
        choice: how the plan of AUTO was chosen; None where it was not measured.
    """

    integers: Integers
    found: Calibrated
    observations: Observations
    choice: PlanChoice | None

    @property
    def summary(self) -> CalibrationSummary:
        """What people read of it."""
        choice, auto = self.choice, ""
        if choice:
            auto = f"auto takes {choice.chosen}: {choice.reason}; {choice.transitions} transitions"
        return CalibrationSummary(self.found.values, self.found.weights, self.found.asked, auto, this_machine())


def calibrate_model(
    model: EngineModel,
    pictures: Pictures,
    algorithm: str = BEST,
    granularity: Granularity = Granularity.CHANNEL,
    *,
    augment: bool = False,
    clock: Clock | None = None,
    progress: Progress = no_progress,
) -> CalibratedModel:
    """One float pass over the pictures, then a choice per value and layer; 7-bit weights where the processor needs it.

    Args:
        augment: take five pictures of each.
        clock: measures the plan of AUTO with the threads now set, on the first pictures; None leaves it out.
    Raises:
        EmptyCalibration, AlgorithmNotFound, NonFiniteValue, PictureTooLarge.
        what iterating over `pictures` raises.
    """
    if algorithm != BEST:
        algorithm_named(algorithm)  # refused now, not when all pictures have been seen
    compared: list[Tensor] = []

    def inputs() -> Iterator[Tensor]:
        for done, picture in enumerate(pictures):
            progress("pictures", done, len(pictures))
            for number, each in enumerate(augmented(picture) if augment else (picture,)):
                x = as_input(model, each)
                if clock is not None and number == 0 and len(compared) < AGREEMENT_PICTURES:
                    compared.append(x)
                yield x

    observations = observe(model.graph, inputs())
    layers = [layer.name for layer in weighted_layers(model.graph)]
    found = calibrate(
        model.graph.layers,
        observations,
        algorithm,
        granularity,
        this_cpu().weight_bits,
        on_layer=lambda name: progress("layers", layers.index(name) + 1, len(layers)),
    )
    here = this_machine()
    integers = Integers(found.calibration, isa=here.isa)
    if clock is None:
        return CalibratedModel(integers, found, observations, None)
    progress("measuring the plan of auto")
    choice = choose_auto(model, found.calibration, compared, clock)
    integers = integers._replace(auto_plan=choice.plan, measured_on=here)
    return CalibratedModel(integers, found, observations, choice)


def choose_auto(model: EngineModel, calibration: Calibration, inputs: Sequence[Tensor], clock: Clock) -> PlanChoice:
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

    def lost(engine: Engine) -> float:
        return points_lost(model, wanted, [engine.run(each) for each in compared], DETECTION_THRESHOLD)

    losses = {name: 0.0 if engine is in_float else lost(engine) for name, engine in candidates.items()}
    if all(losses[name] >= 1 for name in candidates if name != "float"):
        # nothing integer keeps the answers: give back the worst layers, more of them until one does
        weighted = sum(precision is Precision.INT8 for precision in in_int8.plan.values())
        for share in (1 / 16, 1 / 8, 1 / 4, 1 / 2):
            plan, kept = careful_plan(in_int8.plan, errors, math.ceil(weighted * share))
            candidates["mixed"] = Engine(model.graph, plan, calibration, reuse=in_int8)
            losses["mixed"] = lost(candidates["mixed"])
            if losses["mixed"] < 1:
                break
    return choose_plan(model.graph, candidates, kept, losses, x, clock)
