"""The front of auto: plans between int8 and float, chosen by what they lose."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from quant.affine import QParams
from quant.engine import Engine
from quant.layer_costs import Costs, measure_costs
from quant.plan_choice import Clock
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration
from services.edge.errors import BudgetNotMet
from services.workbench import front as front_module
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.files import read_integers
from services.workbench.front import Front, FrontPoint, MeasuredFront, Unrefined, check_budget, find_front
from services.workbench.judging import JudgedPicture
from services.workbench.plots import plot_front
from services.zoo.integers import Integers
from tests.unit.workbench.commands import answer, measure_briefly, pixels, quant

LAYER_S = {Precision.FLOAT: 3e-3, Precision.HYBRID: 2e-3, Precision.INT8: 1e-3}
SLOWEST, SLOWER = "raw", 1000
"""In float or hybrid this layer takes so many times as long: it is the last that goes back to float."""
CONVERSION_S = 1e-4


@pytest.fixture(scope="module", autouse=True)
def layer_times() -> Iterator[None]:
    """Layers this small take whatever else the machine does: integers are faster here by decree."""

    def costs(in_float: Engine, others: Sequence[Engine], inputs: Sequence[Tensor], clock: Clock) -> Costs:
        found = measure_costs(in_float, others, inputs, clock, rounds=1)
        for name, in_precisions in found.items():
            for precision, cost in in_precisions.items():
                slower = SLOWER if name == SLOWEST and precision is not Precision.INT8 else 1
                in_precisions[precision] = replace(cost, seconds=slower * LAYER_S[precision])
        return found

    def conversions(in_float: Engine, calibration: Calibration, x: Tensor, clock: Clock) -> dict[str, float]:
        return dict.fromkeys(calibration.values, CONVERSION_S)

    with pytest.MonkeyPatch.context() as patch:
        measure_briefly(patch)
        patch.setattr(front_module, "measure_costs", costs)
        patch.setattr(front_module, "measure_conversions", conversions)
        yield


@pytest.fixture(scope="module")
def judged(x: Tensor) -> list[JudgedPicture]:
    generator = torch.Generator().manual_seed(2)
    return [JudgedPicture(x), *(JudgedPicture(torch.rand(x.shape, generator=generator)) for _ in range(3))]


@pytest.fixture(scope="module")
def spoiled(calibration: Calibration) -> Calibration:
    """The heads' raw values have four codes: no plan with this layer in int8 keeps the answers."""
    qparams = calibration.of_value("body")
    values = {**calibration.values, "body": QParams(64 * qparams.scale, qparams.zero_point)}
    return replace(calibration, values=values)


@pytest.fixture(scope="module")
def measured(model: EngineModel, spoiled: Calibration, judged: list[JudgedPicture]) -> MeasuredFront:
    return find_front(model, spoiled, judged, time.perf_counter, max_drop=1.0)


def test_a_front_has_the_plain_plans_and_mixed_ones(measured: MeasuredFront, model: EngineModel) -> None:
    names = [point.name for point in measured.front.points]
    assert {"float", "int8", "hybrid"} < set(names)
    assert any(name.startswith("mixed") for name in names)
    assert measured.plans["int8"] == uniform_plan(model.graph, Mode.INT8)
    assert all(sum(point.layers.values()) == len(model.graph.layers) for point in measured.front.points)
    plans = list(measured.plans.values())
    assert all(plans.count(plan) == 1 for plan in plans)


def test_points_are_ordered_by_time_and_the_best_lose_less_the_longer_they_take(measured: MeasuredFront) -> None:
    points = measured.front.points
    assert [point.ms for point in points] == sorted(point.ms for point in points)
    best = [point.points_lost for point in points if point.best]
    assert best == sorted(best, reverse=True)
    assert best[-1] == 0


def test_a_spoiled_layer_is_the_one_that_gives_way(measured: MeasuredFront) -> None:
    points = {point.name: point for point in measured.front.points}
    assert points["int8"].points_lost > 10
    within = [name for name, point in points.items() if point.points_lost < 1 and name not in ("float", "hybrid")]
    assert within
    assert all(measured.plans[name]["body"] is not Precision.INT8 for name in within)


def test_a_mixed_plan_that_loses_too_much_is_refined_for_itself(
    model: EngineModel, calibration: Calibration, judged: list[JudgedPicture]
) -> None:
    """Here the heads' raw values are shifted for INT8, as if by much that its layers lose."""
    together = torch.cat([each.x for each in judged])
    raw = calibration.weights["raw"]
    shifted = replace(calibration, weights={**calibration.weights, "raw": replace(raw, bias=raw.bias + 400)})
    front = find_front(model, shifted, judged, time.perf_counter, 1.0, unrefined=Unrefined(calibration, together))
    mixed = {each.name: each for each in front.front.points if each.name not in ("float", "int8", "hybrid")}
    assert front.weights
    assert {name for name, each in mixed.items() if each.refined} == set(front.weights)
    name = min(front.weights, key=lambda name: mixed[name].points_lost)
    assert mixed[name].points_lost < 1
    assert all(front.plans[name][layer] is not Precision.FLOAT for layer in front.weights[name])
    integers = front.integers_of(name, Integers(shifted))
    own, shared = (engine_of(model, Mode.AUTO, each) for each in (integers, integers._replace(auto_weights={})))
    wanted = engine_of(model, Mode.FLOAT, integers).run(judged[0].x)["head"]
    far, near = ((engine.run(judged[0].x)["head"] - wanted).abs().mean() for engine in (shared, own))
    assert float(near) < 0.5 * float(far)


def point(name: str, lost: float) -> FrontPoint:
    return FrontPoint(name, 1.0, lost, dict.fromkeys(Precision, 1), 0, 0, True)


def test_a_budget_that_only_float_meets_says_by_how_much() -> None:
    front = Front("top-1", 0.5, "float", (point("int8", 4.0), point("mixed-1", 1.25), point("float", 0.0)))
    with pytest.raises(BudgetNotMet) as caught:
        check_budget(front)
    assert str(caught.value) == (
        "no plan with integers loses less than 0.5 points (top-1): mixed-1 is nearest and loses 1.25, 0.75 too many; "
        "allow it as many, or run in float"
    )
    check_budget(replace(front, chosen="mixed-1"))
    check_budget(replace(front, max_drop=2.0))  # float is within it, and the fastest


@pytest.mark.parametrize("form", ["png", "svg"])
def test_a_front_is_drawn(measured: MeasuredFront, form: str) -> None:
    drawn = plot_front("small", measured.front, form)
    assert drawn.startswith({"png": b"\x89PNG", "svg": b"<?xml"}[form])
    assert drawn != plot_front("small", replace(measured.front, max_drop=20.0), form)


def test_calibrate_prints_draws_and_keeps_the_front(place: Path, tmp_path: Path, model: EngineModel) -> None:
    plot, points = tmp_path / "front.png", tmp_path / "points"
    words = ("calibrate", "fresh.strata", "0.png", "1.png", "--auto", "-o", str(tmp_path / "fresh.integers"))
    told = quant(place, *words, "--max-drop", "100", "--plot", str(plot), "--points", str(points))
    assert told.exit_code == 0, told.output
    assert "points lost (agreement with float)" in told.stdout
    assert "takes" in told.stdout
    assert pixels(plot).shape[2] >= 3
    kept = sorted(points.iterdir())
    assert {"fresh.float.integers", "fresh.int8.integers", "fresh.hybrid.integers"} <= {each.name for each in kept}
    in_int8 = read_integers(points / "fresh.int8.integers", model)
    assert in_int8.auto_plan == uniform_plan(model.graph, Mode.INT8)
    for mode in ("int8", "auto"):
        words = ("run", "fresh.strata", "0.png", "--integers", str(points / "fresh.int8.integers"), "--mode", mode)
        ran = answer(place, *words, "-o", str(tmp_path / f"{mode}.png"))
        assert isinstance(ran, dict)
    assert (pixels(tmp_path / "int8.png") == pixels(tmp_path / "auto.png")).all()


def test_json_has_the_front(place: Path, tmp_path: Path) -> None:
    found = answer(place, "calibrate", "fresh.strata", "0.png", "--auto", "-o", str(tmp_path / "fresh.integers"))
    assert isinstance(found, dict)
    front = found["front"]
    assert front["chosen"] in {each["name"] for each in front["points"]}
    assert set(front["points"][0]["layers"]) == {"float", "hybrid", "int8"}
    assert json.dumps(front)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-drop", "1"), "add --auto"),
        (("--plot", "a.png"), "add --auto"),
        (("--points", "a"), "add --auto"),
        (("--auto", "--plot", "a.jpg"), "ends in .png or .svg"),
        (("--auto", "--plot", "nowhere/a.png"), "there is no folder nowhere"),
        (("--auto", "--max-drop=-1"), "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(place: Path, words: tuple[str, ...], said: str) -> None:
    told = quant(place, "calibrate", "fresh.strata", "0.png", "-o", "never.integers", *words)
    assert told.exit_code != 0
    assert said in " ".join(told.output.replace("│", " ").split()) + str(told.exception)
    assert not (place / "never.integers").exists()
