"""What a layer costs: its time, and what it alone does to the outputs."""

from dataclasses import replace

import pytest
from torch import Tensor

from quant.engine import Engine
from quant.graph import Graph
from quant.layer_costs import measure_conversions, measure_costs, noise_of_layers
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration


@pytest.fixture(scope="module")
def engines(graph: Graph, calibration: Calibration) -> dict[Mode, Engine]:
    modes = (Mode.FLOAT, Mode.HYBRID, Mode.INT8)
    return {mode: Engine(graph, uniform_plan(graph, mode), calibration) for mode in modes}


def test_a_layers_noise_is_that_of_a_plan_with_this_layer_alone(
    graph: Graph, calibration: Calibration, engines: dict[Mode, Engine], pictures: list[Tensor]
) -> None:
    found = noise_of_layers(engines[Mode.FLOAT], engines[Mode.HYBRID], pictures[:1])
    assert set(found) == {"stem", "squeeze", "expand", "deep", "raw"}
    for name in ("stem", "raw"):
        alone = Engine(graph, {name: Precision.HYBRID}, calibration).run(pictures[0])["head"]
        wanted = engines[Mode.FLOAT].run(pictures[0])["head"]
        expected = float((alone - wanted).square().mean() / wanted.square().mean())
        assert found[name] == pytest.approx(expected, rel=1e-3)
        assert expected > 0


def test_coarser_codes_make_more_noise(
    graph: Graph, calibration: Calibration, engines: dict[Mode, Engine], pictures: list[Tensor]
) -> None:
    qparams = calibration.of_value("squeeze")
    coarse = {**calibration.values, "squeeze": replace(qparams, scale=8 * qparams.scale)}
    changed = Engine(graph, uniform_plan(graph, Mode.INT8), replace(calibration, values=coarse))
    before, after = (noise_of_layers(engines[Mode.FLOAT], each, pictures) for each in (engines[Mode.INT8], changed))
    assert after["squeeze"] > 2 * before["squeeze"]
    assert after["raw"] == before["raw"]


def test_costs_name_every_precision_a_layer_has(engines: dict[Mode, Engine], pictures: list[Tensor]) -> None:
    ticks = iter(range(10_000))
    others = engines[Mode.HYBRID], engines[Mode.INT8]
    costs = measure_costs(engines[Mode.FLOAT], others, pictures[:1], lambda: float(next(ticks)), rounds=1)
    assert set(costs["stem"]) == set(Precision)
    assert set(costs["pool"]) == {Precision.FLOAT, Precision.INT8}
    assert set(costs["head"]) == {Precision.FLOAT}
    assert all(cost.seconds == 1.0 for choices in costs.values() for cost in choices.values())
    assert all(choices[Precision.FLOAT].noise == 0 for choices in costs.values())


def test_values_that_can_be_codes_have_a_conversion(
    engines: dict[Mode, Engine], calibration: Calibration, pictures: list[Tensor]
) -> None:
    ticks = iter(range(10_000))
    found = measure_conversions(engines[Mode.FLOAT], calibration, pictures[0], lambda: float(next(ticks)))
    assert set(found) == set(calibration.values)
    assert set(found.values()) == {1.0}
