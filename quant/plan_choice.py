"""The plan of AUTO: integers where they save time and keep the signal, and never a plan that loses to a plain one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from quant.affine import Value
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.precision import Mode, Plan, Precision

Clock = Callable[[], float]
"""Seconds, as `time.perf_counter`."""

WORTH_FRACTION = 0.97
"""A plan must take less than this share of another's time to be preferred to it: less is noise."""

SPARE_TIME = 0.02
"""The share of the fastest plan's time that AUTO gives for less noise: pictures that were not measured gain by it."""
LEAST_ROUNDS, MEASURED_S = 4, 2.0
"""Plans take turns this often and this long: a busy machine needs many runs to show its best."""
RUNS_A_TURN = 2
"""The first run of a turn finds the other plans' weights in the cache; a service's runs find their own."""
_WARM_RUNS = 2
"""An engine compiles its script in its second run."""


@dataclass(frozen=True)
class LayerTimes:
    """Seconds of one layer, the best of several runs: `float_s` on float values, `int8_s` on codes."""

    float_s: float
    int8_s: float


@dataclass(frozen=True, eq=False)
class PlanChoice:
    """What AUTO will run, and why.

    Attributes:
        times_s, losses: of each plan that was tried, the seconds of a whole run and the points lost.
        transitions: values that change between float and codes on the way.
    """

    plan: Mapping[str, Precision]
    chosen: str
    reason: str
    times_s: Mapping[str, float]
    losses: Mapping[str, float]
    transitions: int


def time_layers(
    float_engine: Engine, int8_engine: Engine, x: Tensor, clock: Clock, rounds: int = 5
) -> dict[str, LayerTimes]:
    """Time every layer in both precisions on the values of their own runs, interleaved."""
    in_float, in_int8 = best_layer_seconds((float_engine, int8_engine), x, clock, rounds)
    return {name: LayerTimes(seconds, in_int8[name]) for name, seconds in in_float.items()}


def best_layer_seconds(engines: Sequence[Engine], x: Tensor, clock: Clock, rounds: int) -> list[dict[str, float]]:
    """Of every engine, each layer's best of several runs, the engines taking turns."""
    best: list[dict[str, float]] = [{} for _ in engines]
    for _ in range(rounds):
        for engine, known in zip(engines, best, strict=True):
            for name, seconds in _layer_seconds(engine, x, clock).items():
                known[name] = min(known.get(name, float("inf")), seconds)
    return best


def time_run(engine: Engine, x: Tensor, clock: Clock, rounds: int = 5) -> float:
    """Seconds of one whole run, the best of several after one that is not counted."""
    engine.run(x)
    seconds = []
    for _ in range(rounds):
        started = clock()
        engine.run(x)
        seconds.append(clock() - started)
    return min(seconds)


def choose_plan(
    graph: Graph,
    candidates: Mapping[str, Engine],
    losses: Mapping[str, float],
    x: Tensor,
    clock: Clock,
    max_drop: float = 1.0,
    noises: Mapping[str, float] | None = None,
) -> PlanChoice:
    """Of engines that keep the accuracy, take the fastest as a whole; a tie goes to the quieter or simpler plan.

    Args:
        candidates: by name, simplest first: `float`, `int8`, and others. `float` is always eligible.
        losses: of each candidate the accuracy or agreement lost against float, in points (hundredths).
        max_drop: in points; a candidate must lose less, or nothing.
        noises: of each candidate, what its layers do to the outputs; of those within SPARE_TIME of the fastest the one
            with the least is taken, however close to float its answers on a few pictures are.
    """
    times = _time_runs(candidates, x, clock)
    eligible = [name for name in candidates if name == Mode.FLOAT or keeps_answers(losses[name], max_drop)]
    chosen = eligible[0]
    for name in eligible:
        if times[name] < WORTH_FRACTION * times[chosen]:
            chosen = name
    if noises:
        near = [name for name in eligible if times[name] <= (1 + SPARE_TIME) * times[chosen]]
        chosen = min(near, key=lambda name: (noises[name], name != chosen))
    parts = [
        f"{name} {times[name] * 1e3:.1f} ms" if name in eligible else f"{name} loses {losses[name]:.1f} points"
        for name in candidates
    ]
    plan = candidates[chosen].plan
    return PlanChoice(plan, chosen, ", ".join(parts), times, losses, count_transitions(graph, plan))


def keeps_answers(points_lost: float, max_drop: float) -> bool:
    """Whether a plan is within the budget: it loses less, or nothing."""
    return points_lost < max_drop or points_lost <= 0


def _time_runs(engines: Mapping[str, Engine], x: Tensor, clock: Clock) -> dict[str, float]:
    """Seconds of a whole run of each, the best of many, the engines taking turns."""
    times: dict[str, float] = {}
    for engine in engines.values():
        for _ in range(_WARM_RUNS):
            engine.run(x)
    begun, rounds = clock(), 0
    while rounds < LEAST_ROUNDS or clock() - begun < MEASURED_S:
        rounds += 1
        for name, engine in engines.items():
            for _ in range(RUNS_A_TURN):
                started = clock()
                engine.run(x)
                times[name] = min(times.get(name, float("inf")), clock() - started)
    return times


def count_transitions(graph: Graph, plan: Plan) -> int:
    """Edges on which a value made in one precision is read in the other; the input counts as float."""

    def in_codes(name: str) -> bool:
        return plan.get(name, Precision.FLOAT) is Precision.INT8

    return sum(in_codes(source) != in_codes(layer.name) for layer in graph.layers for source in layer.inputs)


def _layer_seconds(engine: Engine, x: Tensor, clock: Clock) -> dict[str, float]:
    """Of each layer the seconds of one run, on the values of this run."""
    seconds: dict[str, float] = {}
    values: dict[str, Value] = {INPUT: engine.enter(x)}
    for prepared in engine.layers:
        inputs = [values[name] for name in prepared.layer.inputs]
        started = clock()
        values[prepared.name] = prepared.run(*inputs)
        seconds[prepared.name] = clock() - started
    return seconds
