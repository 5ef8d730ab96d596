"""The plan of AUTO: integers where they save time and keep the signal, and never a plan that loses to a plain one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from quant.affine import Value
from quant.crossing import Crossing
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.precision import Mode, Plan, Precision, uniform_plan

Clock = Callable[[], float]
"""Seconds, as `time.perf_counter`."""

SPOILED_DB = 15.0
"""A layer whose own signal-to-noise ratio is below this is kept in float."""
WORTH_FRACTION = 0.97
"""A plan must take less than this share of another's time to be preferred to it: less is noise."""

LEAST_ROUNDS, MEASURED_S = 7, 2.0
"""Whole runs are timed this often and this long: a busy machine needs many runs to show its best."""


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of one layer, the best of several runs: `float_s` on float values, `int8_s` on codes."""

    float_s: float
    int8_s: float


@dataclass(frozen=True, eq=False)
class PlanChoice:
    """What AUTO will run, and why.

    Attributes:
        times_s: of a whole run under each plan that was tried.
        transitions: values that change between float and codes on the way.
        kept: layers kept in float though they have an integer kernel, with the reason.
    """

    plan: Mapping[str, Precision]
    chosen: str
    reason: str
    times_s: Mapping[str, float]
    transitions: int
    kept: Mapping[str, str]


def time_layers(
    float_engine: Engine, int8_engine: Engine, x: Tensor, clock: Clock, rounds: int = 5
) -> dict[str, LayerTimes]:
    """Time every layer in both precisions on the values of their own runs, interleaved."""
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        in_float = _layer_seconds(float_engine, x, clock)
        in_int8 = _layer_seconds(int8_engine, x, clock)
        for name, seconds in in_float.items():
            before = best.get(name, (float("inf"), float("inf")))
            best[name] = (min(before[0], seconds), min(before[1], in_int8[name]))
    return {name: LayerTimes(*seconds) for name, seconds in best.items()}


def time_run(engine: Engine, x: Tensor, clock: Clock, rounds: int = 5) -> float:
    """Seconds of one whole run, the best of several after one that is not counted."""
    engine.run(x)
    seconds = []
    for _ in range(rounds):
        started = clock()
        engine.run(x)
        seconds.append(clock() - started)
    return min(seconds)


def mixed_plan(
    graph: Graph, times: Mapping[str, LayerTimes], errors: Mapping[str, Crossing]
) -> tuple[Plan, dict[str, str]]:
    """Start from INT8 and keep in float what it slows down or spoils.

    Returns:
        the plan, and of each layer kept in float the reason.
    """
    plan = uniform_plan(graph, Mode.INT8)
    kept: dict[str, str] = {}
    for layer in graph.layers:
        if plan[layer.name] is Precision.FLOAT:
            continue
        timed, own_db = times[layer.name], errors[layer.name].own_db
        if own_db < SPOILED_DB:
            kept[layer.name] = f"its own error is {own_db:.1f} dB"
        elif timed.int8_s > timed.float_s:
            kept[layer.name] = f"{timed.int8_s * 1e3:.2f} ms in int8, {timed.float_s * 1e3:.2f} ms in float"
    return {name: Precision.FLOAT if name in kept else precision for name, precision in plan.items()}, kept


def choose_plan(
    graph: Graph,
    candidates: Mapping[str, Engine],
    kept: Mapping[str, str],
    losses: Mapping[str, float],
    x: Tensor,
    clock: Clock,
) -> PlanChoice:
    """Of engines that keep the accuracy, take the fastest as a whole; a tie goes to the simpler plan.

    Args:
        candidates: by name, simplest first: `float`, `int8`, and mixed ones. `float` is always eligible.
        kept: reasons of the mixed plan.
        losses: of each candidate the accuracy or agreement lost against float, in points (hundredths).
    """
    eligible = {name: engine for name, engine in candidates.items() if name == Mode.FLOAT or losses[name] < 1.0}
    times: dict[str, float] = {}
    for engine in eligible.values():
        engine.run(x)
    begun, rounds = clock(), 0
    while rounds < LEAST_ROUNDS or clock() - begun < MEASURED_S:
        rounds += 1
        for name, engine in eligible.items():
            started = clock()
            engine.run(x)
            times[name] = min(times.get(name, float("inf")), clock() - started)
    chosen = next(iter(times))
    for name, seconds in times.items():
        if seconds < WORTH_FRACTION * times[chosen]:
            chosen = name
    dropped = [f"{name} loses {losses[name]:.1f} points" for name in candidates if name not in eligible]
    reason = ", ".join([*(f"{name} {seconds * 1e3:.1f} ms" for name, seconds in times.items()), *dropped])
    plan = candidates[chosen].plan
    return PlanChoice(plan, chosen, reason, times, count_transitions(graph, plan), kept if chosen == "mixed" else {})


def count_transitions(graph: Graph, plan: Plan) -> int:
    """Edges on which a value made in one precision is read in the other; the input counts as float."""

    def in_codes(name: str) -> bool:
        return plan.get(name, Precision.FLOAT) is Precision.INT8

    return sum(in_codes(source) != in_codes(layer.name) for layer in graph.layers for source in layer.inputs)


def _layer_seconds(engine: Engine, x: Tensor, clock: Clock) -> dict[str, float]:
    seconds: dict[str, float] = {}
    values: dict[str, Value] = {INPUT: engine.enter(x)}
    for prepared in engine.layers:
        inputs = [values[name] for name in prepared.layer.inputs]
        started = clock()
        values[prepared.name] = prepared.run(*inputs)
        seconds[prepared.name] = clock() - started
    return seconds


def careful_plan(plan: Plan, errors: Mapping[str, Crossing], count: int) -> tuple[Plan, dict[str, str]]:
    """Of a plan's integer layers keep the `count` with the largest own errors in float."""
    integer = [name for name, precision in plan.items() if precision is Precision.INT8]
    worst = sorted(integer, key=lambda name: errors[name].own_db)[:count]
    kept = {name: f"its own error, {errors[name].own_db:.1f} dB, is among the {count} largest" for name in worst}
    return {name: Precision.FLOAT if name in kept else precision for name, precision in plan.items()}, kept
