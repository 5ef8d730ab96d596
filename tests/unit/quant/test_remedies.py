"""A remedy is tried, measured, and taken only if it helps."""

from dataclasses import replace

import pytest
from torch import Tensor

from quant.affine import Value
from quant.calibration import Granularity, calibrate
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.observations import Observations, observe
from quant.precision import Mode, Precision, uniform_plan
from quant.remedies import find_remedy
from quant.variant import Variant


@pytest.fixture(scope="module")
def observations(graph: Graph, pictures: list[Tensor]) -> Observations:
    return observe(graph, pictures)


def variant_of(graph: Graph, observations: Observations, algorithm: str, granularity: Granularity) -> Variant:
    found = calibrate(graph.layers, observations, algorithm, granularity)
    return Variant(graph, uniform_plan(graph, Mode.INT8), found.calibration)


def inputs_of(graph: Graph, x: Tensor, layer: str) -> list[Value]:
    values = {INPUT: x} | dict(graph.values(x))
    return [values[name] for name in graph.layer(layer).inputs]


def test_paper_scales_are_healed_and_the_gain_is_real(
    graph: Graph, observations: Observations, pictures: list[Tensor]
) -> None:
    variant = variant_of(graph, observations, "log2-paper", Granularity.TENSOR)
    engine = Engine(graph, variant.plan, variant.calibration)
    remedy = find_remedy(variant, engine, observations, "expand", inputs_of(graph, pictures[0], "expand"))
    assert "per channel" in remedy.action
    assert "range by" in remedy.action
    assert remedy.after_db >= remedy.before_db + 5
    again = find_remedy(
        remedy.variant,
        Engine(graph, variant.plan, remedy.variant.calibration),
        observations,
        "expand",
        inputs_of(graph, pictures[0], "expand"),
    )
    assert again.before_db == remedy.after_db


def test_layer_that_nothing_heals_is_kept_in_float(
    graph: Graph, observations: Observations, pictures: list[Tensor]
) -> None:
    variant = variant_of(graph, observations, "minmax", Granularity.CHANNEL)
    coarse = {
        **variant.calibration.values,
        "raw": replace(variant.calibration.values["raw"], scale=5.0, zero_point=128),
    }
    coarse["join"] = replace(coarse["join"], scale=5.0)
    variant = replace(variant, calibration=replace(variant.calibration, values=coarse))
    engine = Engine(graph, variant.plan, variant.calibration)
    remedy = find_remedy(variant, engine, observations, "raw", inputs_of(graph, pictures[0], "raw"))
    assert remedy.action == "keep it in float"
    assert remedy.before_db < 20 < remedy.after_db
    assert remedy.variant.plan["raw"] is Precision.FLOAT


def test_healthy_layer_is_left_alone(graph: Graph, observations: Observations, pictures: list[Tensor]) -> None:
    variant = variant_of(graph, observations, "best", Granularity.CHANNEL)
    engine = Engine(graph, variant.plan, variant.calibration)
    remedy = find_remedy(variant, engine, observations, "deep", inputs_of(graph, pictures[0], "deep"))
    assert remedy.after_db >= remedy.before_db >= 20
