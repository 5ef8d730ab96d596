"""Two engines of one network side by side: scales, codes and values, layer by layer."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quant.affine import QParams, Quantised, as_codes
from quant.comparing import EngineComparison
from quant.decibels import NO_NOISE_DB
from quant.engine import Engine
from quant.errors import InvalidGraph
from quant.graph import Graph
from quant.operations import AvgPool
from quant.precision import Mode, uniform_plan
from quant.scales import Calibration
from quant.statistics import sqnr_db


def engine(graph: Graph, calibration: Calibration, mode: Mode = Mode.INT8) -> Engine:
    return Engine(graph, uniform_plan(graph, mode), calibration)


def test_an_engine_beside_itself_differs_nowhere(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    together = EngineComparison(engine(graph, calibration), engine(graph, calibration))
    for x in pictures[:2]:
        ours, theirs = together.add(x, x)
        assert all(torch.equal(ours[name], theirs[name]) for name in graph.outputs)
    for row in together.layers():
        assert row.first == row.second
        assert (row.sqnr_db, row.largest or 0, row.codes_differing or 0.0) == (NO_NOISE_DB, 0, 0.0)
        assert row.weight_codes_differing in (0.0, None)


def test_float_beside_int8_is_counted_in_the_codes_of_int8(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    in_float, in_int8 = engine(graph, calibration, Mode.FLOAT), engine(graph, calibration)
    together = EngineComparison(in_float, in_int8)
    outputs = together.add(pictures[0], pictures[0])
    assert torch.equal(outputs[0][graph.outputs[0]], in_float.run(pictures[0])[graph.outputs[0]])
    floats = {layer.name: value for layer, value in in_float.values(pictures[0])}
    integers = {layer.name: value for layer, value in in_int8.values(pictures[0])}
    row = next(row for row in together.layers() if row.layer == "deep")
    value = integers["deep"]
    assert isinstance(value, Quantised)
    apart = (as_codes(floats["deep"], value.qparams).int() - value.codes.int()).abs()
    assert (row.first.precision, row.second.precision) == ("float", "int8")
    assert (row.first.qparams, row.second.qparams) == (None, value.qparams)
    assert row.codes_differing == pytest.approx(float((apart > 0).double().mean()))
    assert row.codes_differing
    assert row.largest == int(apart.max())
    assert row.weight_codes_differing is None
    last = together.layers()[-1]
    wanted, found = (each[graph.outputs[0]] for each in outputs)
    assert last.sqnr_db == pytest.approx(sqnr_db(wanted, found), abs=1e-3)
    assert (last.codes_differing, last.largest) == (None, None)


def test_other_scales_and_other_weights_are_seen_where_they_are(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    weights = calibration.weights["deep"]
    codes = weights.codes.clone()
    codes[0] = -codes[0]
    edited = Calibration(calibration.values, {**calibration.weights, "deep": replace(weights, codes=codes)})
    together = EngineComparison(engine(graph, calibration), engine(graph, edited))
    together.add(pictures[0], pictures[0])
    rows = {row.layer: row for row in together.layers()}
    found = [each.layer("deep").integer for each in (together.first, together.second)]
    assert found[0] is not None
    assert found[1] is not None
    changed = float((found[0].weights.codes != found[1].weights.codes).double().mean())
    assert rows["deep"].weight_codes_differing == pytest.approx(changed)
    assert rows["deep"].codes_differing
    assert all(row.sqnr_db == NO_NOISE_DB for row in together.layers()[: graph.index("deep")])

    wider = QParams(2 * calibration.values["deep"].scale, calibration.values["deep"].zero_point)
    rescaled = Calibration({**calibration.values, "deep": wider}, calibration.weights)
    together = EngineComparison(engine(graph, calibration), engine(graph, rescaled))
    together.add(pictures[0], pictures[0])
    row = next(row for row in together.layers() if row.layer == "deep")
    assert (row.first.qparams, row.second.qparams) == (calibration.values["deep"], wider)


def test_another_network_is_refused_by_its_first_other_layer(graph: Graph, calibration: Calibration) -> None:
    shorter = replace(graph, layers=graph.layers[: graph.index("deep") + 1], outputs=("deep",))
    with pytest.raises(InvalidGraph, match="10 layers with outputs head against 6 with deep"):
        EngineComparison(engine(graph, calibration), engine(shorter, calibration, Mode.FLOAT))
    pooled = graph.with_operation("pool", AvgPool((2, 2), (2, 2)))
    with pytest.raises(InvalidGraph, match="layer 'pool', MaxPool of shortcut, 8x8x8 against 'pool', AvgPool"):
        EngineComparison(engine(graph, calibration), engine(pooled, calibration, Mode.FLOAT))
