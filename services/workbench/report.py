"""What quantising a model costs and saves: answers, time per layer, and the worst layers with a remedy each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from quant.affine import Value
from quant.crossing import Crossing, cross
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.kernels.floats import float_kernel
from quant.observations import Observations
from quant.operations import Weighted
from quant.plan_choice import Clock, time_layers, time_run
from quant.precision import Mode, Precision
from quant.remedies import find_remedy
from quant.variant import Variant
from services.edge.errors import EmptyBatch
from services.workbench.answers import Agreement, Answer, accuracy, answer, answer_like, compare_answers
from services.workbench.integers import Integers
from services.workbench.model import Model
from services.workbench.usecases import DETECTION_THRESHOLD, Progress, engine_of

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
    model: Model,
    integers: Integers,
    observations: Observations,
    inputs: Iterable[Tensor],
    clock: Clock,
    progress: Progress,
    truth: Sequence[int] | None = None,
) -> Report:
    """Measure everything; the first input is timed, all of them are compared.

    Args:
        inputs: [1, C, H, W] each, at least one; taken one by one, and only the first is kept.
        truth: the class of each input, where it is known and the model is a classifier.
    Raises:
        NotCalibrated: there are no scales.
    """
    modes = [Mode.FLOAT, Mode.HYBRID, Mode.INT8, *([Mode.AUTO] if integers.auto_plan else [])]
    engines = {mode: engine_of(model, mode, integers) for mode in modes}
    x, answers = _answers(model, engines, inputs, progress)
    known = truth is not None and not model.detects
    modes_ms = {mode.value: time_run(engine, x, clock) * 1e3 for mode, engine in engines.items()}
    progress("modes")
    in_float, in_int8 = engines[Mode.FLOAT], engines[Mode.INT8]
    crossings = list(cross(in_float, in_int8, x))
    progress("cross")
    layers = _layer_rows(model.graph, in_float, in_int8, crossings, x, clock)
    progress("time")
    remedies = find_remedies(model, integers, observations, crossings, in_float, in_int8, x)
    progress("remedies")
    return Report(
        model.name,
        model.weights,
        in_int8.cpu.isa,
        torch.get_num_threads(),
        len(answers[Mode.FLOAT]),
        modes_ms,
        {mode.value: accuracy(found, truth) for mode, found in answers.items()} if known and truth else {},
        {mode.value: compare_answers(answers[Mode.FLOAT], found) for mode, found in answers.items()},
        layers,
        remedies,
    )


def _answers(
    model: Model, engines: Mapping[Mode, Engine], inputs: Iterable[Tensor], progress: Progress
) -> tuple[Tensor, dict[Mode, list[Answer]]]:
    """The first input, and of every mode the answers: inputs and outputs are dropped as soon as they are read."""
    first: Tensor | None = None
    answers: dict[Mode, list[Answer]] = {mode: [] for mode in engines}
    for x in inputs:
        first = x if first is None else first
        wanted = answer(model, engines[Mode.FLOAT].run(x), DETECTION_THRESHOLD)
        for mode, engine in engines.items():
            answers[mode].append(wanted if mode is Mode.FLOAT else answer_like(model, engine.run(x), wanted))
        progress("picture")
    if first is None:
        raise EmptyBatch("a report needs at least one picture")
    return first, answers


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
    model: Model,
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
        rows.append(RemedyRow(row.layer, remedy.action, remedy.before_db, remedy.after_db, before_db, after_db))
    return rows


def time_bfloat16(graph: Graph, x: Tensor, clock: Clock, rounds: int = 3) -> dict[str, float]:
    """Seconds of each weighted layer in bfloat16, weights packed as float32's are, the best of several.

    On AMX this is the rival of int8.
    """
    best: dict[str, float] = {}
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
