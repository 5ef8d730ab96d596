"""The verb `report`: what integers cost and save: answers, time per layer, the worst layers with a remedy each."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from quant.affine import Value
from quant.crossing import Crossing, cross
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.kernels.floats import float_kernel
from quant.observations import Observations, observe
from quant.operations import Weighted
from quant.plan_choice import Clock, time_layers, time_run
from quant.precision import Mode, Precision
from quant.remedies import find_remedy
from quant.variant import Variant
from services.edge.errors import EmptyBatch
from services.edge.progress import Progress
from services.workbench.calibrating import DETECTION_THRESHOLD, calibrate_model
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import Agreement, PictureOutcome, accuracy, compare_outcomes, outcome, outcome_like
from services.workbench.integers import Integers
from services.workbench.pictures import Pictures, as_input

WORST_LAYERS = 5


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
class RemedyRow:
    """What helps one of the worst layers, and what it does to the whole model's outputs, both measured again."""

    layer: str
    action: str
    before_db: float
    after_db: float
    model_before_db: float
    model_after_db: float


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


def make_report(
    model: EngineModel,
    integers: Integers | None,
    pictures: Pictures,
    clock: Clock,
    progress: Progress,
    truth: Sequence[int] | None = None,
) -> Report:
    """Measure everything; the first picture is timed, all of them are compared.

    Args:
        integers: None chooses them by these pictures, which are then iterated over twice.
        pictures: at least one; taken one by one, and only the first is kept.
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
        self._first: Tensor | None = None

    @property
    def x(self) -> Tensor:
        assert self._first is not None
        return self._first

    def passing(self, pictures: Pictures) -> Iterator[Tensor]:
        """Hand the inputs on, each when all modes have run it: one is in memory at a time, beside the first."""
        for done, picture in enumerate(pictures):
            self.progress("pictures in every mode", done, len(pictures))
            x = as_input(self.model, picture)
            self._first = x if self._first is None else self._first
            wanted = outcome(self.model, self.engines[Mode.FLOAT].run(x), DETECTION_THRESHOLD)
            for mode, engine in self.engines.items():
                found = wanted if mode is Mode.FLOAT else outcome_like(self.model, engine.run(x), wanted)
                self.outcomes[mode].append(found)
            yield x
        if self._first is None:
            raise EmptyBatch("a report needs at least one picture")


def _measure(runs: _Runs, observations: Observations, clock: Clock, truth: Sequence[int] | None) -> Report:
    model, engines, outcomes, x, progress = runs.model, runs.engines, runs.outcomes, runs.x, runs.progress
    known = truth is not None and not model.detects
    progress("timing the modes")
    modes_ms = {mode.value: time_run(engine, x, clock) * 1e3 for mode, engine in engines.items()}
    progress("crossing")
    in_float, in_int8 = engines[Mode.FLOAT], engines[Mode.INT8]
    crossings = list(cross(in_float, in_int8, x))
    progress("timing the layers")
    layers = _layer_rows(model.graph, in_float, in_int8, crossings, x, clock)
    progress("trying remedies")
    remedies = find_remedies(model, runs.integers, observations, crossings, in_float, in_int8, x)
    return Report(
        model.name,
        model.weights,
        in_int8.cpu.isa,
        torch.get_num_threads(),
        len(outcomes[Mode.FLOAT]),
        modes_ms,
        {mode.value: accuracy(found, truth) for mode, found in outcomes.items()} if known and truth else {},
        {mode.value: compare_outcomes(outcomes[Mode.FLOAT], found) for mode, found in outcomes.items()},
        layers,
        remedies,
    )


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


def find_remedies(
    model: EngineModel,
    integers: Integers,
    observations: Observations,
    crossings: Sequence[Crossing],
    in_float: Engine,
    in_int8: Engine,
    x: Tensor,
) -> list[RemedyRow]:
    """The weighted integer layers with the largest own errors, worst first, each with what helps it most."""
    weighted = [
        row
        for row in crossings
        if row.precision != Precision.FLOAT and isinstance(model.graph.layer(row.layer).operation, Weighted)
    ]
    worst = sorted(weighted, key=lambda row: row.own_db)[:WORST_LAYERS]
    inputs = _inputs_of_layers(in_float, {row.layer for row in worst}, x)
    variant = Variant(model.graph, in_int8.plan, integers.calibration)
    rows = []
    for row in worst:
        remedy = find_remedy(variant, in_int8, observations, row.layer, inputs[row.layer])
        helped = remedy.variant
        engine = Engine(helped.graph, helped.plan, helped.calibration, reuse=in_int8)
        outputs = model.graph.outputs
        before_db = min(each.total_db for each in crossings if each.layer in outputs)
        after_db = min(each.total_db for each in cross(in_float, engine, x) if each.layer in outputs)
        if after_db < before_db:
            action = f"none: what helps the layer ({remedy.action}) makes the model worse"
            rows.append(RemedyRow(row.layer, action, remedy.before_db, remedy.before_db, before_db, before_db))
        else:
            rows.append(RemedyRow(row.layer, remedy.action, remedy.before_db, remedy.after_db, before_db, after_db))
    return rows


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


def _inputs_of_layers(engine: Engine, layers: set[str], x: Tensor) -> dict[str, list[Value]]:
    wanted = {name for layer in layers for name in engine.graph.layer(layer).inputs}
    values: dict[str, Value] = {INPUT: engine.enter(x)} if INPUT in wanted else {}
    for prepared, value in engine.values(x):
        if prepared.name in wanted:
            values[prepared.name] = value
    return {layer: [values[name] for name in engine.graph.layer(layer).inputs] for layer in layers}
