"""What leaves as ONNX comes to the engine's codes in ONNX Runtime and OpenVINO."""

from functools import cache

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from quant.activation import Activation
from quant.affine import QParams
from quant.engine import Engine
from quant.graph import Graph
from quant.precision import Mode, Precision, supports
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.program import onnx_program
from services.zoo.onnx_form.runs import RUNS, Run
from services.zoo.runtimes.onnxruntime import session_options
from tests.unit.zoo.onnx_form.graphs import (
    DETOURS,
    ENDS,
    STEPS,
    ChosenStep,
    engine_of,
    graph_of_steps,
    graphs,
    pictures,
)

FEW = 0.01
"""Share of the codes that rounding may put one apart, ties aside."""


def everything(graph: Graph) -> tuple[str, ...]:
    return tuple(layer.name for layer in graph.layers)


@cache
def calibrated(first: Activation, steps: tuple[ChosenStep, ...], end: str) -> Engine:
    """The engine of a graph in integers, calibrated once for all runtimes."""
    return engine_of(graph_of_steps(first, steps, end), Mode.INT8)


def check_codes(engine: Engine, run: Run, x: Tensor) -> None:
    program = onnx_program(engine, "test", everything(engine.graph))
    onnx.checker.check_model(program, full_check=True)
    errors = compare_codes(EnginePart(engine), x, run(program, x.numpy()))
    assert errors.largest <= 1, f"{errors.layer}: {errors.largest} codes apart"
    assert errors.differing - errors.ties <= FEW * errors.codes


@settings(max_examples=20, deadline=None)
@given(graphs, st.sampled_from([Mode.INT8, Mode.HYBRID]), st.sampled_from([0, 2, 3]), st.sampled_from(sorted(RUNS)))
def test_a_random_graph_comes_to_the_engines_codes(graph: Graph, mode: Mode, float_layers: int, runtime: str) -> None:
    check_codes(engine_of(graph, mode, float_layers), RUNS[runtime], pictures(2, 9))


@pytest.mark.parametrize("runtime", RUNS)
@pytest.mark.parametrize("kind", [*STEPS, *DETOURS])
def test_each_operation_comes_to_the_engines_codes(kind: str, runtime: str) -> None:
    steps = ((kind, 1, Activation.SILU, 1), ("convolution", 2, Activation.LEAKY, 0))
    check_codes(calibrated(Activation.RELU6, steps, "map"), RUNS[runtime], pictures(2, 9))


@pytest.mark.parametrize("runtime", RUNS)
@pytest.mark.parametrize("kind", ["mean", "mean with zeros", "largest", "shifted"])
def test_what_reads_beyond_a_maps_border_finds_the_value_zero_there_and_not_the_code(kind: str, runtime: str) -> None:
    engine = calibrated(Activation.NONE, ((kind, 1, Activation.NONE, 0),), "region")
    check_codes(engine, RUNS[runtime], pictures(2, 9))


@pytest.mark.parametrize("runtime", RUNS)
@pytest.mark.parametrize("end", ENDS)
def test_each_end_comes_to_the_engines_codes(end: str, runtime: str) -> None:
    engine = calibrated(Activation.RELU, (("residual", 1, Activation.RELU, 1),), end)
    check_codes(engine, RUNS[runtime], pictures(2, 9))


@pytest.mark.parametrize("runtime", RUNS)
@pytest.mark.parametrize("activation", list(Activation))
def test_each_activation_comes_to_the_engines_codes(activation: Activation, runtime: str) -> None:
    steps = (("residual", 1, activation, 1), ("activation", 1, activation, 0))
    check_codes(calibrated(activation, steps, "scores"), RUNS[runtime], pictures(3, 9))


@pytest.mark.parametrize("flags", ["flags: avx2", "flags: avx2 avx512_vnni"])
def test_onnx_runtime_runs_weights_of_8_bits_with_and_without_vnni(monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    """Without, it makes uint8 of them, so that sums stay exact; with it there is nothing to mend."""
    monkeypatch.setattr("services.zoo.runtimes.onnxruntime.cpu_flags", lambda: flags)
    options = session_options(1)
    if "vnni" in flags:
        with pytest.raises(RuntimeError, match="x64quantprecision"):
            options.get_session_config_entry("session.x64quantprecision")
    else:
        assert options.get_session_config_entry("session.x64quantprecision") == "1"
    engine = calibrated(Activation.RELU, (("convolution", 1, Activation.NONE, 0),), "scores")
    check_codes(engine, RUNS["onnxruntime"], pictures(2, 9))


@pytest.mark.parametrize("runtime", RUNS)
@pytest.mark.parametrize("end", ENDS)
def test_in_float_the_outputs_are_the_graphs(end: str, runtime: str) -> None:
    steps = [(kind, 1, Activation.GELU, 1) for kind in (*STEPS, *DETOURS) if kind != "product"]
    graph = graph_of_steps(Activation.MISH, steps, end)
    x = pictures(2, 9)
    found = RUNS[runtime](onnx_program(engine_of(graph, Mode.FLOAT), "test"), x.numpy())
    with torch.inference_mode():
        for name, expected in graph.run(x).items():
            largest = max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(torch.from_numpy(found[name]), expected, rtol=0, atol=1e-4 * largest)


def test_what_runs_in_integers_stands_between_codes_and_what_does_not_does_not() -> None:
    graph = graph_of_steps(Activation.RELU, [("convolution", 1, Activation.NONE, 0)], "yolo")
    program = onnx_program(engine_of(graph, Mode.INT8), "test").graph
    made_by = {node.output[0]: node for node in program.node}
    for layer in graph.layers:
        if supports(layer.operation, Precision.INT8):
            product = made_by[f"{layer.name}:product"]
            assert [made_by[each].op_type for each in product.input] == ["DequantizeLinear"] * 3
    assert "QuantizeLinear" not in {node.op_type for node in onnx_program(engine_of(graph, Mode.FLOAT), "t").graph.node}


@pytest.mark.parametrize(
    ("zero_point", "scale", "left_out"), [(0, 6 / 255, True), (3, 6 / 255, False), (0, 8 / 255, False)]
)
def test_an_activation_that_the_codes_clip_anyway_is_left_out(zero_point: int, scale: float, left_out: bool) -> None:
    graph = graph_of_steps(Activation.RELU6, [("convolution", 1, Activation.NONE, 0)], "map")
    engine = engine_of(graph, Mode.INT8)
    values = {**engine.calibration.values, "first": QParams(scale, zero_point)}
    changed = Engine(graph, engine.plan, type(engine.calibration)(values, engine.calibration.weights))
    kinds = [node.op_type for node in onnx_program(changed, "test").graph.node]
    assert ("Clip" not in kinds) == left_out
    for run in RUNS.values():
        check_codes(changed, run, 4 * pictures(2, 9))
