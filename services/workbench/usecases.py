"""What `strata quant` does, without a terminal: each function takes a model and gives values to show."""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from quant.algorithms import algorithm_named
from quant.calibration import BEST, Calibrated, Granularity, calibrate
from quant.cpu import this_cpu
from quant.crossing import Crossing, cross, cross_layer
from quant.engine import Engine
from quant.observations import Observations, observe
from quant.plan_choice import Clock, PlanChoice, careful_plan, choose_plan, mixed_plan, time_layers
from quant.precision import Mode, Precision, supported_plan, uniform_plan
from quant.scales import Calibration
from quant.statistics import sqnr_db
from quant.variant import Variant
from services.edge.errors import FailedPrecondition
from services.workbench.answers import answer, answer_like, compare_answers
from services.workbench.integers import Integers, Machine
from services.workbench.model import Model
from services.workbench.pictures import inputs_of

Progress = Callable[[str], None]
"""Told what was just finished."""

AGREEMENT_PICTURES = 32
NO_AUTO = "auto has no plan for this model yet; `strata quant calibrate --auto` measures one"
DETECTION_THRESHOLD = 0.25


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

    if algorithm != BEST:
        algorithm_named(algorithm)  # refused now, not when all pictures have been seen
    observations = observe(model.graph, told())
    bits = this_cpu().weight_bits
    found = calibrate(model.graph.layers, observations, algorithm, granularity, bits, on_layer=progress)
    return found, observations


def variant_of(model: Model, mode: Mode, integers: Integers) -> Variant:
    """The model as it runs in a mode; precisions that a person gave single layers hold in HYBRID and INT8.

    Raises:
        FailedPrecondition: AUTO without a plan.
    """
    if mode is Mode.AUTO:
        if not integers.auto_plan:
            raise FailedPrecondition(NO_AUTO)
        plan = integers.auto_plan
    else:
        plan = {**uniform_plan(model.graph, mode), **({} if mode is Mode.FLOAT else integers.edited)}
    return Variant(model.graph, supported_plan(model.graph, plan), integers.calibration)


def engine_of(model: Model, mode: Mode, integers: Integers) -> Engine:
    """The model ready to run in a mode: `variant_of`, prepared.

    Raises:
        NotCalibrated: an integer mode without scales.
        FailedPrecondition: AUTO without a plan.
    """
    variant = variant_of(model, mode, integers)
    return Engine(variant.graph, variant.plan, variant.calibration)


def this_machine() -> Machine:
    """What is measured now is measured on this."""
    return Machine(this_cpu().isa, torch.get_num_threads())


def other_machine(integers: Integers, here: Machine) -> str | None:
    """In words, where the plan of AUTO was measured otherwise than it would run here; None where it was not."""
    there = integers.measured_on
    if not integers.auto_plan or there in (None, here):
        return None
    assert there is not None
    return (
        f"auto's plan was measured on {there.isa} with {there.threads} thread(s), here are {here.isa} and "
        f"{here.threads}; `strata quant calibrate --auto` measures it again"
    )


def cross_model(model: Model, integers: Integers, x: Tensor, mode: Mode = Mode.INT8) -> list[Crossing]:
    """Every layer in both precisions on both inputs."""
    return list(cross(engine_of(model, Mode.FLOAT, integers), engine_of(model, mode, integers), x))


def cross_one(model: Model, integers: Integers, x: Tensor, layer: str, mode: Mode = Mode.INT8) -> Crossing:
    """One layer in both precisions on both inputs, without crossing the others. Raises LayerNotFound."""
    engine = engine_of(model, mode, integers)
    four = cross_layer(engine_of(model, Mode.FLOAT, integers), engine, x, layer)
    errors = (sqnr_db(four.ff, found) for found in (four.fi, four.if_, four.ii))
    return Crossing(layer, engine.plan[layer].value, *errors)


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
    wanted = [answer(model, in_float.run(each), DETECTION_THRESHOLD) for each in compared]

    def points_lost(engine: Engine) -> float:
        found = [answer_like(model, engine.run(each), one) for each, one in zip(compared, wanted, strict=True)]
        return 100 * (1 - compare_answers(wanted, found).fraction)

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
