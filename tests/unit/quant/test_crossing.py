"""Crossing: what each of the four outputs is, and which error is whose."""

import itertools
import weakref

import pytest
import torch
from torch import Tensor

from quant.affine import as_float
from quant.crossing import cross, cross_layer, four_outputs
from quant.decibels import NO_NOISE_DB
from quant.engine import Engine
from quant.errors import LayerNotFound
from quant.graph import Graph
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration
from quant.statistics import sqnr_db


def engines(graph: Graph, calibration: Calibration, mode: Mode = Mode.INT8) -> tuple[Engine, Engine]:
    plans = (uniform_plan(graph, each) for each in (Mode.FLOAT, mode))
    first, second = (Engine(graph, plan, calibration) for plan in plans)
    return first, second


@pytest.mark.parametrize("mode", [Mode.HYBRID, Mode.INT8])
def test_every_layer_is_crossed_and_its_own_error_is_small(
    graph: Graph, calibration: Calibration, pictures: list[Tensor], mode: Mode
) -> None:
    rows = list(cross(*engines(graph, calibration, mode), pictures[0]))
    assert [row.layer for row in rows] == [layer.name for layer in graph.layers]
    assert all(row.own_db >= 20 for row in rows)
    # errors add up: the total is no better than the own error by more than a little
    assert all(row.total_db <= row.own_db + 3 for row in rows)


def test_float_layer_has_no_error_of_its_own_and_passes_on_what_it_inherits(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    head = list(cross(*engines(graph, calibration), pictures[0]))[-1]
    assert (head.layer, head.precision) == ("head", "float")
    assert head.own_db == NO_NOISE_DB
    assert head.inherited_db == head.total_db < 60


def test_only_error_of_a_model_with_one_integer_layer_is_that_layers_own(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    float_engine, _ = engines(graph, calibration)
    one = Engine(graph, {"deep": Precision.HYBRID}, calibration)
    rows = {row.layer: row for row in cross(float_engine, one, pictures[0])}
    assert rows["pool"].total_db == NO_NOISE_DB
    assert rows["deep"].inherited_db == NO_NOISE_DB
    assert rows["deep"].own_db == rows["deep"].total_db < 60
    assert rows["up"].own_db == NO_NOISE_DB
    assert rows["up"].inherited_db == pytest.approx(rows["deep"].total_db)


def test_four_outputs_are_the_layer_in_both_precisions_on_both_inputs(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    float_engine, integer_engine = engines(graph, calibration)
    x = pictures[0]
    four = cross_layer(float_engine, integer_engine, x, "raw")
    floats = {prepared.name: value for prepared, value in float_engine.values(x)}
    integers = {prepared.name: value for prepared, value in integer_engine.values(x)}
    in_float, in_integers = float_engine.layer("raw"), integer_engine.layer("raw")
    assert torch.equal(four.ff, as_float(floats["raw"]))
    assert torch.equal(four.ii, as_float(integers["raw"]))
    assert torch.equal(four.fi, as_float(in_integers.run(floats["join"])))
    assert torch.equal(four.if_, as_float(in_float.run(integers["join"])))
    row = next(row for row in cross(float_engine, integer_engine, x) if row.layer == "raw")
    assert row.inherited_db == sqnr_db(four.ff, four.if_)


def test_crossing_leaves_torchs_inference_mode_to_its_caller(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    """Whoever takes rows one by one, or from two crossings in turn, computes gradients between them as before."""
    first, second = (cross(*engines(graph, calibration), pictures[0]) for _ in range(2))
    next(first)
    next(second)
    assert not torch.is_inference_mode_enabled()
    del first
    list(second)
    assert not torch.is_inference_mode_enabled()


def test_a_value_is_dropped_once_its_last_reader_is_crossed(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    crossing = four_outputs(*engines(graph, calibration), pictures[0])
    alive = {four.layer: weakref.ref(four.ff) for four in itertools.islice(crossing, 5)}
    assert [name for name, value in alive.items() if value() is not None] == ["shortcut", "pool"]


def test_unknown_layer_is_refused(graph: Graph, calibration: Calibration, pictures: list[Tensor]) -> None:
    with pytest.raises(LayerNotFound):
        cross_layer(*engines(graph, calibration), pictures[0], "nowhere")
