"""The plan of auto: who stays in float, and that whole runs have the last word."""

from collections.abc import Callable

import pytest
from torch import Tensor

from quant.engine import Engine
from quant.graph import Graph
from quant.plan_choice import (
    LayerTimes,
    choose_plan,
    count_transitions,
    time_layers,
    time_run,
)
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration


@pytest.fixture(scope="module")
def engines(graph: Graph, calibration: Calibration) -> dict[str, Engine]:
    plans = {mode.value: uniform_plan(graph, mode) for mode in (Mode.FLOAT, Mode.INT8)}
    plans["mixed"] = {**plans["int8"], "stem": Precision.FLOAT}
    return {name: Engine(graph, plan, calibration) for name, plan in plans.items()}


def clock_of(
    engines: dict[str, Engine],
    milliseconds: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
    after_another: dict[str, float] | None = None,
) -> Callable[[], float]:
    """A clock that a run of each engine moves by a fixed time, and by another one right after another's."""
    now, last = [0.0], [""]
    for name, engine in engines.items():

        def run(x: Tensor, name: str = name) -> dict[str, Tensor]:
            taken = milliseconds if last[0] == name else {**milliseconds, **(after_another or {})}
            now[0] += taken[name] / 1e3
            last[0] = name
            return {}

        monkeypatch.setattr(engine, "run", run)
    return lambda: now[0]


@pytest.mark.parametrize(
    ("milliseconds", "losses", "chosen"),
    [
        ({"float": 10, "int8": 2, "mixed": 1.5}, {"int8": 0.0, "mixed": 0.0}, "mixed"),
        ({"float": 10, "int8": 2, "mixed": 1.98}, {"int8": 0.0, "mixed": 0.0}, "int8"),
        ({"float": 10, "int8": 2, "mixed": 3}, {"int8": 0.0, "mixed": 0.0}, "int8"),
        ({"float": 1, "int8": 2, "mixed": 3}, {"int8": 0.0, "mixed": 0.0}, "float"),
        ({"float": 10, "int8": 2, "mixed": 3}, {"int8": 1.0, "mixed": 0.5}, "mixed"),
        ({"float": 10, "int8": 2, "mixed": 3}, {"int8": 4.0, "mixed": 2.0}, "float"),
    ],
)
def test_fastest_whole_run_that_keeps_the_answers_is_taken(
    graph: Graph,
    engines: dict[str, Engine],
    pictures: list[Tensor],
    monkeypatch: pytest.MonkeyPatch,
    milliseconds: dict[str, float],
    losses: dict[str, float],
    chosen: str,
) -> None:
    clock = clock_of(engines, milliseconds, monkeypatch)
    choice = choose_plan(graph, engines, {"float": 0.0, **losses}, pictures[0], clock)
    assert choice.chosen == chosen
    assert choice.plan == engines[chosen].plan
    assert choice.times_s == pytest.approx({name: each / 1e3 for name, each in milliseconds.items()})


@pytest.mark.parametrize(
    ("max_drop", "chosen"), [(0.0, "float"), (0.5, "float"), (0.51, "mixed"), (2.0, "mixed"), (2.01, "int8")]
)
def test_a_budget_decides_which_plans_keep_the_answers(
    graph: Graph,
    engines: dict[str, Engine],
    pictures: list[Tensor],
    monkeypatch: pytest.MonkeyPatch,
    max_drop: float,
    chosen: str,
) -> None:
    clock = clock_of(engines, {"float": 10, "int8": 2, "mixed": 5}, monkeypatch)
    losses = {"float": 0.0, "int8": 2.0, "mixed": 0.5}
    assert choose_plan(graph, engines, losses, pictures[0], clock, max_drop).chosen == chosen


def test_a_plan_is_judged_by_runs_in_a_row(
    graph: Graph, engines: dict[str, Engine], pictures: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_of(engines, {"float": 10, "int8": 2, "mixed": 3}, monkeypatch, after_another={"int8": 4})
    assert choose_plan(graph, engines, dict.fromkeys(engines, 0.0), pictures[0], clock).chosen == "int8"


@pytest.mark.parametrize(
    ("mixed_ms", "noise", "chosen"), [(2.03, 0.5, "mixed"), (2.05, 0.5, "int8"), (2.0, 1.0, "int8")]
)
def test_a_little_time_is_spent_on_less_noise(
    graph: Graph,
    engines: dict[str, Engine],
    pictures: list[Tensor],
    monkeypatch: pytest.MonkeyPatch,
    mixed_ms: float,
    noise: float,
    chosen: str,
) -> None:
    clock = clock_of(engines, {"float": 10, "int8": 2, "mixed": mixed_ms}, monkeypatch)
    losses, noises = dict.fromkeys(engines, 0.0), {"float": 0.0, "int8": 1.0, "mixed": noise}
    assert choose_plan(graph, engines, losses, pictures[0], clock, noises=noises).chosen == chosen


def test_transitions_are_the_edges_between_float_and_codes(graph: Graph) -> None:
    assert count_transitions(graph, uniform_plan(graph, Mode.FLOAT)) == 0
    assert count_transitions(graph, uniform_plan(graph, Mode.INT8)) == 2
    assert count_transitions(graph, {**uniform_plan(graph, Mode.INT8), "deep": Precision.FLOAT}) == 4


def test_times_come_from_the_clock_that_is_given(engines: dict[str, Engine], pictures: list[Tensor]) -> None:
    ticks = iter(range(10_000))
    times = time_layers(engines["float"], engines["int8"], pictures[0], lambda: float(next(ticks)), rounds=2)
    assert set(times) == {layer.name for layer in engines["float"].graph.layers}
    assert all(timed == LayerTimes(1.0, 1.0) for timed in times.values())
    assert time_run(engines["int8"], pictures[0], lambda: float(next(ticks))) == 1.0
