"""The verb `report`: what integers cost and save: answers, time per layer, the worst layers with a remedy each."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from quant.crossing import Crossing, cross
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.kernels.floats import float_kernel
from quant.observations import Observations, observe
from quant.operations import Weighted
from quant.plan_choice import Clock, time_layers, time_run
from quant.precision import Mode
from quant.variant import Variant
from services.edge.errors import EmptyBatch
from services.edge.progress import Progress
from services.workbench.calibrating import calibrate_model
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import Agreement, PictureOutcome, accuracy, compare_outcomes, outcome, outcome_like
from services.workbench.judging import DETECTION_THRESHOLD
from services.workbench.pictures import Pictures, as_input
from services.workbench.remedies import Remedies, RemedyRow
from services.zoo.integers import Integers

_KEPT_INPUTS = 4
"""Of the first pictures, to measure remedies on."""


@dataclass(frozen=True)
class LayerRow:
    """One layer: milliseconds in each precision (bfloat16 for weighted layers only), errors in dB."""

    layer: str
    precision: str
    float32_ms: float
    bfloat16_ms: float | None
    int8_ms: float
    own_db: float
    total_db: float


@dataclass(frozen=True)
class Report:
    """What was measured, by mode where it says so.

    Attributes:
        isa: the instructions all was measured with.
        modes_ms: whole runs, by mode.
        accuracies: share of pictures whose best class is theirs, by mode; empty where their classes are not known.
        agreements: with float, by mode.
    """

    model: str
    weights: str
    isa: str
    threads: int
    pictures: int
    modes_ms: dict[str, float]
    accuracies: dict[str, float]
    agreements: dict[str, Agreement]
    layers: list[LayerRow]
    remedies: list[RemedyRow]


class MeasuredModel(NamedTuple):
    """A report, and the model's integers with the remedies that it offers; None where it offers none."""

    report: Report
    remedied: Integers | None


def make_report(
    model: EngineModel,
    integers: Integers | None,
    pictures: Pictures,
    clock: Clock,
    progress: Progress,
    truth: Sequence[int] | None = None,
) -> MeasuredModel:
    """Measure everything; the first picture is timed, all of them are compared.

    Args:
        integers: None chooses them by these pictures, which are then iterated over twice.
        pictures: at least one; taken one by one, and only the inputs of the first four are kept.
        truth: the class of each picture, where it is known and the model is a classifier.
    Raises:
        NotCalibrated: there are no scales.
        EmptyBatch: there are no pictures.
        what iterating over `pictures` raises.
    """
    if integers is None:
        calibrated = calibrate_model(model, pictures, progress=progress)
        runs = _Runs(model, calibrated.integers, progress)
        deque(runs.passing(pictures), maxlen=0)
        return _measure(runs, calibrated.observations, clock, truth)
    runs = _Runs(model, integers, progress)
    observations = observe(model.graph, runs.passing(pictures))
    return _measure(runs, observations, clock, truth)


class _Runs:
    """One model in every mode, what each mode made of every picture, and the first picture's input."""

    def __init__(self, model: EngineModel, integers: Integers, progress: Progress) -> None:
        self.model, self.integers, self.progress = model, integers, progress
        modes = [Mode.FLOAT, Mode.HYBRID, Mode.INT8, *([Mode.AUTO] if integers.auto_plan else [])]
        self.engines = {mode: engine_of(model, mode, integers) for mode in modes}
        self.outcomes: dict[Mode, list[PictureOutcome]] = {mode: [] for mode in modes}
        self.kept: list[Tensor] = []

    def passing(self, pictures: Pictures) -> Iterator[Tensor]:
        """Hand the inputs on, each when all modes have run it: one is in memory at a time, beside the first few."""
        for done, picture in enumerate(pictures):
            self.progress("pictures in every mode", done, len(pictures))
            x = as_input(self.model, picture)
            if len(self.kept) < _KEPT_INPUTS:
                self.kept.append(x)
            wanted = outcome(self.model, self.engines[Mode.FLOAT].run(x), DETECTION_THRESHOLD)
            for mode, engine in self.engines.items():
                found = wanted if mode is Mode.FLOAT else outcome_like(self.model, engine.run(x), wanted)
                self.outcomes[mode].append(found)
            yield x
        if not self.kept:
            raise EmptyBatch("a report needs at least one picture")


def _measure(runs: _Runs, observations: Observations, clock: Clock, truth: Sequence[int] | None) -> MeasuredModel:
    model, engines, outcomes, x, progress = runs.model, runs.engines, runs.outcomes, runs.kept[0], runs.progress
    known = truth is not None and not model.detects
    progress("timing the modes")
    modes_ms = {mode.value: time_run(engine, x, clock) * 1e3 for mode, engine in engines.items()}
    progress("crossing")
    in_float, in_int8 = engines[Mode.FLOAT], engines[Mode.INT8]
    crossings = list(cross(in_float, in_int8, x))
    progress("timing the layers")
    layers = _layer_rows(model.graph, in_float, in_int8, crossings, x, clock)
    progress("trying remedies")
    variant = Variant(model.graph, in_int8.plan, runs.integers.calibration)
    remedies = Remedies(variant, in_float, in_int8, observations, crossings, runs.kept)
    report = Report(
        model.name,
        model.weights,
        in_int8.cpu.isa,
        torch.get_num_threads(),
        len(outcomes[Mode.FLOAT]),
        modes_ms,
        {mode.value: accuracy(found, truth) for mode, found in outcomes.items()} if known and truth else {},
        {mode.value: compare_outcomes(outcomes[Mode.FLOAT], found) for mode, found in outcomes.items()},
        layers,
        remedies.rows,
    )
    return MeasuredModel(report, _remedied(runs.integers, remedies, in_int8) if remedies.any_offered else None)


def _remedied(integers: Integers, remedies: Remedies, before: Engine) -> Integers:
    """The plan of AUTO does not come along: it was measured with other integers."""
    plan = remedies.variant.plan
    changed = {layer: precision for layer, precision in plan.items() if precision is not before.plan[layer]}
    return Integers(remedies.variant.calibration, edited={**integers.edited, **changed}, isa=before.cpu.isa)


def _layer_rows(
    graph: Graph, in_float: Engine, in_int8: Engine, crossings: Sequence[Crossing], x: Tensor, clock: Clock
) -> list[LayerRow]:
    times = time_layers(in_float, in_int8, x, clock)
    bfloat16_s = time_bfloat16(graph, x, clock)
    return [
        LayerRow(
            row.layer,
            row.precision,
            times[row.layer].float_s * 1e3,
            bfloat16_s[row.layer] * 1e3 if row.layer in bfloat16_s else None,
            times[row.layer].int8_s * 1e3,
            row.own_db,
            row.total_db,
        )
        for row in crossings
    ]


def has_bfloat16() -> bool:
    """Whether oneDNN multiplies bfloat16 here."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def time_bfloat16(graph: Graph, x: Tensor, clock: Clock, rounds: int = 3) -> dict[str, float]:
    """Seconds of each weighted layer in bfloat16, weights packed as float32's are, the best of several.

    On AMX this is the rival of int8. Without AVX-512 oneDNN has no bfloat16, and nothing is timed.
    """
    best: dict[str, float] = {}
    if not has_bfloat16():
        return best
    with torch.inference_mode():
        values = {INPUT: x.contiguous(memory_format=torch.channels_last)}
        for layer in graph.layers:
            inputs = [values[name] for name in layer.inputs]
            if isinstance(layer.operation, Weighted):
                best[layer.name] = _bfloat16_s(layer.operation, inputs, clock, rounds)
            values[layer.name] = layer.operation.run(*inputs)
    return best


def _bfloat16_s(operation: Weighted, inputs: Sequence[Tensor], clock: Clock, rounds: int) -> float:
    narrow = replace(operation, weight=operation.weight.bfloat16(), bias=operation.bias.bfloat16())
    kernel = float_kernel(narrow, tuple(inputs[0].shape[1:]))
    narrow_inputs = [value.bfloat16() for value in inputs]
    kernel(*narrow_inputs)
    seconds = []
    for _ in range(rounds):
        started = clock()
        kernel(*narrow_inputs)
        seconds.append(clock() - started)
    return min(seconds)
