"""Every integer kernel against its definition in 64 bits: sums equal, codes equal but for ties, near the float run."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from quant.activation import Activation
from quant.affine import QParams, Value, as_float
from quant.cpu import Cpu, this_cpu
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.kernels.prepared import PreparedLayer
from quant.kernels.weighted import weighted_kernel
from quant.kernels.windows import WindowProduct
from quant.operations import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    Operation,
    Pad,
    Pair,
    Reorg,
    Slice,
    Upsample,
)
from quant.precision import Mode, Precision, uniform_plan
from quant.reference import Comparison, compare
from quant.scales import IntegerWeights
from quant.statistics import sqnr_db
from tests.unit.quant.whole_ranges import whole_ranges

EXACT = dict.fromkeys(("wrong_accumulators", "wrong_codes"), 0)


def check(graph: Graph, x: Tensor, mode: Mode, at_least_db: float = 25.0) -> list[Comparison]:
    """Run every integer layer of `graph` on what it gets and compare it with its definition."""
    engine = Engine(graph, uniform_plan(graph, mode), whole_ranges(graph, x))
    values: dict[str, Value] = {INPUT: engine.enter(x)}
    floats = dict(graph.values(x))
    comparisons = []
    for prepared, value in engine.values(x):
        values[prepared.name] = value
        assert sqnr_db(floats[prepared.name], as_float(value)) > at_least_db, prepared.name
        if prepared.precision is not Precision.FLOAT:
            comparison = compare(prepared, *(values[name] for name in prepared.layer.inputs))
            found = {name: getattr(comparison, name) for name in EXACT}
            assert found == EXACT, f"{prepared.name}: {comparison}"
            assert comparison.ties <= max(3, comparison.elements // 1000)
            comparisons.append(comparison)
    assert comparisons
    return comparisons


def conv(
    inputs: int,
    outputs: int,
    kernel: int = 3,
    stride: int = 1,
    padding: int = 1,
    groups: int = 1,
    dilation: int = 1,
    activation: Activation = Activation.NONE,
) -> Conv2d:
    weight = torch.randn(outputs, inputs // groups, kernel, kernel) / (inputs // groups * kernel * kernel) ** 0.5
    pair = ((stride, stride), (padding, padding), (dilation, dilation))
    return Conv2d(weight, torch.randn(outputs) * 0.1, *pair, groups, activation)


def single(operation: Operation, *shape: int) -> Graph:
    """The operation behind an identity that makes it an inner layer, with a reader that wants codes."""
    first = conv(shape[0], shape[0], 1, padding=0)
    tested = Layer("tested", operation, ("first",))
    return Graph((shape[0], shape[1], shape[2]), (Layer("first", first, (INPUT,)), tested), ("tested",))


def seeded(*shape: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(*shape)


@pytest.mark.parametrize("mode", [Mode.INT8, Mode.HYBRID])
@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("geometry", [{"kernel": 3}, {"kernel": 1, "padding": 0}], ids=["3x3", "1x1"])
def test_a_convolution_of_any_activation_is_exact(activation: Activation, geometry: dict[str, int], mode: Mode) -> None:
    x = seeded(2, 16, 12, 12)
    layers = (
        Layer("a", conv(16, 24, activation=activation, **geometry), (INPUT,)),
        Layer("b", conv(24, 8, 1, padding=0), ("a",)),
    )
    check(Graph((16, 12, 12), layers, ("b",)), x, mode)


@pytest.mark.parametrize("activation", [Activation.RELU, Activation.LEAKY])
@pytest.mark.parametrize(
    ("inputs", "outputs", "geometry"),
    [
        (3, 16, {}),
        (3, 16, {"kernel": 7, "stride": 2, "padding": 3}),
        (16, 16, {"stride": 2}),
        (16, 32, {"groups": 4}),
        (24, 24, {"groups": 24}),
        (24, 24, {"kernel": 5, "padding": 2, "groups": 24, "stride": 2}),
        (16, 8, {"dilation": 2, "padding": 2}),
        (16, 8, {"padding": 0}),
        (16, 8, {"kernel": 1, "padding": 0, "stride": 2}),
        (40, 24, {"stride": 2}),
        (64, 24, {}),
        (64, 24, {"kernel": 5, "padding": 1}),
        (128, 24, {}),
        (256, 16, {}),
        (17, 5, {}),
    ],
)
def test_a_convolution_of_any_geometry_is_exact(
    inputs: int, outputs: int, geometry: dict[str, int], activation: Activation
) -> None:
    x = seeded(1, inputs, 13, 16)
    layers = (
        Layer("a", conv(inputs, outputs, activation=activation, **geometry), (INPUT,)),
        Layer("b", conv(outputs, 8, 1, padding=0), ("a",)),
    )
    check(Graph((inputs, 13, 16), layers, ("b",)), x, Mode.INT8)


@pytest.mark.parametrize(("inputs", "spans"), [(3, (8, 16)), (16, (2, 4)), (64, (1, 1)), (256, (1, None))])
def test_windows_are_gathered_as_the_processor_multiplies_and_give_the_same_codes(
    inputs: int, spans: tuple[int, int | None]
) -> None:
    x, layer = seeded(1, inputs, 8, 16), Layer("a", conv(inputs, 8, activation=Activation.LEAKY), (INPUT,))
    graph = Graph((inputs, 8, 16), (layer,), ("a",))
    calibration, plan = whole_ranges(graph, x), uniform_plan(graph, Mode.INT8)
    exact = this_cpu().exact_8_bit
    without, with_tiles = (Engine(graph, plan, calibration, cpu=Cpu(isa, exact)) for isa in ("AVX512-VNNI", "AMX-INT8"))
    assert tuple(span_of(engine.layers[0]) for engine in (without, with_tiles)) == spans
    assert torch.equal(without.run(x)["a"], with_tiles.run(x)["a"])


def span_of(prepared: PreparedLayer) -> int | None:
    """How many outputs a row of gathered windows is for; None where oneDNN's convolution is called."""
    assert prepared.integer is not None
    product = prepared.integer.product
    return product.span if isinstance(product, WindowProduct) else None


@pytest.mark.parametrize("zero_point", [0, 7])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.LEAKY])
@pytest.mark.parametrize(
    ("shape", "channels", "geometry"),
    [
        ((1, 4, 7), 2, {"kernel": (4, 7), "stride": (1, 2)}),
        ((16, 8, 9), 16, {"kernel": (8, 4), "stride": (1, 3), "padding": (0, 1), "groups": 16}),
        ((24, 25, 2), 8, {"kernel": (9, 1), "stride": (3, 3), "padding": (4, 1), "dilation": (3, 3)}),
        ((24, 1, 15), 48, {"kernel": (2, 5), "stride": (2, 2), "padding": (2, 3), "dilation": (3, 3), "groups": 24}),
        ((24, 1, 26), 2, {"kernel": (7, 5), "stride": (2, 2), "padding": (7, 0), "dilation": (2, 2), "groups": 2}),
        ((16, 7, 15), 8, {"kernel": (6, 8), "stride": (1, 3), "padding": (3, 1)}),
        ((24, 14, 6), 24, {"kernel": (4, 8), "padding": (1, 2), "dilation": (2, 1)}),
        ((48, 22, 6), 1, {"kernel": (11, 32), "stride": (4, 4), "padding": (1, 21)}),
        ((48, 1, 48), 4, {"kernel": (2, 64), "padding": (2, 9), "groups": 2}),
        ((48, 41, 26), 1, {"kernel": (1, 4), "stride": (3, 1), "padding": (0, 4), "dilation": (2, 2)}),
        ((48, 17, 44), 4, {"kernel": (4, 4), "stride": (4, 4)}),
        ((32, 7, 26), 1, {"kernel": (4, 4), "stride": (3, 8), "padding": (1, 3)}),
    ],
)
def test_a_convolution_that_onednn_adds_up_wrongly_is_exact(
    shape: tuple[int, int, int], channels: int, geometry: dict[str, Any], activation: Activation, zero_point: int
) -> None:
    """Each once gave other sums or ended the process when it was called as it stands (docs/adr/0101)."""
    found, wanted = sums_of(shape, channels, activation, zero_point, **geometry)
    assert torch.equal(found, wanted)


SIDES = {largest: st.tuples(st.integers(1, largest), st.integers(1, largest)) for largest in (4, 9)}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    inputs=st.sampled_from([1, 3, 8, 16, 24, 32, 48, 64]),
    grouping=st.sampled_from(["one", "two", "depthwise"]),
    kernel=SIDES[9],
    stride=SIDES[4],
    padding=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    dilation=st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3), (3, 1)]),
    beyond=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    zero_point=st.sampled_from([0, 7]),
    activation=st.sampled_from([Activation.NONE, Activation.LEAKY]),
)
def test_a_convolution_of_any_other_geometry_is_exact(
    inputs: int,
    grouping: str,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    beyond: Pair,
    zero_point: int,
    activation: Activation,
) -> None:
    groups = {"one": 1, "two": 2 - inputs % 2, "depthwise": inputs}[grouping]
    windows = [(size - 1) * step + 1 for size, step in zip(kernel, dilation, strict=True)]
    height, width = (max(1, windows[axis] - 2 * padding[axis]) + beyond[axis] for axis in range(2))
    shape, geometry = (inputs, height, width), {"stride": stride, "padding": padding, "dilation": dilation}
    found, wanted = sums_of(shape, 4 * groups, activation, zero_point, kernel=kernel, groups=groups, **geometry)
    assert torch.equal(found, wanted)


def sums_of(
    shape: tuple[int, int, int],
    channels: int,
    activation: Activation,
    zero_point: int,
    *,
    kernel: Pair,
    **geometry: Any,
) -> tuple[Tensor, Tensor]:
    """A convolution's integer sums over random codes, and the same in 64 bits."""
    torch.manual_seed(0)
    codes = torch.randint(0, 256, (1, *shape), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    weight = torch.randint(-63, 64, (channels, shape[0] // geometry.get("groups", 1), *kernel), dtype=torch.int8)
    operation = Conv2d(weight.float(), torch.zeros(channels), activation=activation, **geometry)
    integers = IntegerWeights(weight, torch.ones(channels), torch.zeros(channels, dtype=torch.int32), 1.0)
    found = weighted_kernel(operation, integers, QParams(1.0, zero_point), None, shape).accumulators(codes)
    plain = replace(operation, weight=weight.double(), bias=torch.zeros(channels).double(), activation=Activation.NONE)
    return found, plain.run(codes.double() - zero_point).to(torch.int64)


@pytest.mark.parametrize("mode", [Mode.INT8, Mode.HYBRID])
def test_a_residual_is_added_to_gathered_windows_too(mode: Mode) -> None:
    x = seeded(1, 16, 16, 16)
    patches = Conv2d(torch.randn(16, 16, 4, 4) / 16, torch.randn(16), (4, 4), activation=Activation.RELU)
    layers = (
        Layer("pooled", MaxPool((4, 4), (4, 4)), (INPUT,)),
        Layer("sum", patches, (INPUT, "pooled")),
        Layer("after", conv(16, 16, 1, padding=0), ("sum",)),
    )
    check(Graph((16, 16, 16), layers, ("after",)), x, mode)


@pytest.mark.parametrize("mode", [Mode.INT8, Mode.HYBRID])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU, Activation.RELU6, Activation.SILU])
@pytest.mark.parametrize("shape", [(16, 7, 9), (16, 17, 19), (40, 17, 19)])
def test_a_pixelwise_convolution_is_exact_on_small_and_large_pictures(
    shape: tuple[int, int, int], activation: Activation, mode: Mode
) -> None:
    x = seeded(2, *shape)
    layers = (
        Layer("a", conv(shape[0], 24, 1, padding=0, activation=activation), (INPUT,)),
        Layer("b", conv(24, shape[0], 1, padding=0), ("a", INPUT)),
        Layer("c", conv(shape[0], 24, 1, padding=0, activation=Activation.RELU), ("b", "a")),
        Layer("d", conv(24, 5, 1, padding=0), ("c",)),
        Layer("e", conv(24, 3, 1, padding=0), ("a",)),
    )
    check(Graph(shape, layers, ("d", "e")), x, mode)


@pytest.mark.parametrize("mode", [Mode.INT8, Mode.HYBRID])
@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU, Activation.RELU6, Activation.LEAKY])
def test_a_residual_is_added_exactly_and_left_as_it_was(activation: Activation, mode: Mode) -> None:
    x = seeded(2, 16, 8, 8)
    layers = (
        Layer("a", conv(16, 16, activation=Activation.SILU), (INPUT,)),
        Layer("b", conv(16, 16, activation=activation), ("a", INPUT)),
        Layer("c", conv(16, 16, 1, padding=0), ("b", "a")),
    )
    check(Graph((16, 8, 8), layers, ("c",)), x, mode)


@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU, Activation.LEAKY, Activation.SIGMOID])
def test_a_linear_layer_is_exact(activation: Activation) -> None:
    x = seeded(3, 4, 4, 4)
    layers = (
        Layer("flat", Flatten(), (INPUT,)),
        Layer("a", Linear(torch.randn(32, 64) / 8, torch.randn(32), activation), ("flat",)),
        Layer("b", Linear(torch.randn(10, 32) / 6, torch.randn(10)), ("a",)),
    )
    check(Graph((4, 4, 4), layers, ("b",)), x, Mode.INT8)


@pytest.mark.parametrize("channels", [16, 64], ids=["few channels", "many channels"])
@pytest.mark.parametrize(
    "operation",
    [
        MaxPool((2, 2), (2, 2)),
        MaxPool((3, 3), (2, 2), (1, 1, 1, 1)),
        MaxPool((2, 2), (1, 1), (0, 1, 0, 1)),
        AvgPool((2, 2), (2, 2)),
        AvgPool((3, 3), (1, 1), (1, 1, 1, 1), count_include_pad=True),
        AvgPool((3, 3), (2, 2), (1, 1, 1, 1)),
        GlobalAvgPool(),
        Slice(4, 12),
        Upsample(2),
        Reorg(2),
        Pad((0, 1, -1, 2)),
        BatchNorm(torch.ones(1), torch.ones(1)),
        *(Activate(activation) for activation in Activation),
    ],
    ids=str,
)
def test_an_operation_without_weights_is_exact(operation: Operation, channels: int) -> None:
    x = seeded(2, channels, 10, 8)
    if isinstance(operation, BatchNorm):
        operation = BatchNorm(torch.randn(channels), torch.randn(channels), Activation.RELU)
    graph = single(operation, channels, 10, 8)
    check(graph, x, Mode.INT8)
    C = graph.shapes["tested"][0]
    followed = (*graph.layers, Layer("after", conv(C, 8, 1, padding=0), ("tested",)))
    check(Graph(graph.input_shape, followed, ("after",)), x, Mode.INT8)


def test_a_large_picture_is_averaged_exactly() -> None:
    check(single(GlobalAvgPool(), 24, 56, 56), seeded(2, 24, 56, 56), Mode.INT8)


@pytest.mark.parametrize("activation", [Activation.NONE, Activation.RELU, Activation.LEAKY])
@pytest.mark.parametrize("count", [2, 3])
def test_a_sum_is_exact_over_the_whole_range_of_codes(count: int, activation: Activation) -> None:
    x = seeded(2, 16, 8, 8)
    makers = tuple(Layer(f"m{i}", conv(16, 16), (INPUT,)) for i in range(count))
    layers = (*makers, Layer("sum", Add(activation), tuple(layer.name for layer in makers)))
    after = Layer("after", conv(16, 8, 1, padding=0), ("sum",))
    check(Graph((16, 8, 8), (*layers, after), ("after",)), x, Mode.INT8)


def test_a_squeeze_excite_branch_is_exact_for_every_picture_of_a_batch() -> None:
    x = seeded(3, 16, 8, 8)
    layers = (
        Layer("a", conv(16, 16, activation=Activation.SILU), (INPUT,)),
        Layer("squeeze", GlobalAvgPool(), ("a",)),
        Layer("down", conv(16, 4, 1, padding=0, activation=Activation.SILU), ("squeeze",)),
        Layer("up", conv(4, 16, 1, padding=0, activation=Activation.SIGMOID), ("down",)),
        Layer("excite", Mul(), ("a", "up")),
        Layer("b", conv(16, 8, 1, padding=0), ("excite",)),
    )
    check(Graph((16, 8, 8), layers, ("b",)), x, Mode.INT8)


def test_a_product_of_equal_shapes_is_exact() -> None:
    x = seeded(2, 16, 8, 8)
    layers = (
        Layer("a", conv(16, 16), (INPUT,)),
        Layer("b", conv(16, 16, activation=Activation.SIGMOID), (INPUT,)),
        Layer("c", Mul(), ("a", "b")),
        Layer("d", conv(16, 8, 1, padding=0), ("c",)),
    )
    check(Graph((16, 8, 8), layers, ("d",)), x, Mode.INT8)


@pytest.mark.parametrize("operation", [Mul(), Slice(4, 12), Concat(), Add()], ids=str)
def test_vectors_are_multiplied_cut_joined_and_added_exactly(operation: Operation) -> None:
    x = seeded(3, 16, 2, 2)
    alone = isinstance(operation, Slice)
    layers = (
        Layer("flat", Flatten(), (INPUT,)),
        Layer("a", Linear(torch.randn(16, 64) / 8, torch.randn(16)), ("flat",)),
        Layer("b", Linear(torch.randn(16, 64) / 8, torch.randn(16), Activation.SIGMOID), ("flat",)),
        Layer("c", operation, ("a",) if alone else ("a", "b")),
    )
    C = Graph((16, 2, 2), layers, ("c",)).shapes["c"][0]
    after = Layer("d", Linear(torch.randn(4, C) / 4, torch.randn(4)), ("c",))
    check(Graph((16, 2, 2), (*layers, after), ("d",)), x, Mode.INT8)


@pytest.mark.parametrize("geometry", [(1, 1, 0), (1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 2)], ids=str)
@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.HYBRID, Mode.INT8])
def test_a_convolution_of_a_single_pixel_gives_what_it_is_defined_to(
    mode: Mode, geometry: tuple[int, int, int]
) -> None:
    kernel, stride, padding = geometry
    x = seeded(2, 8, 1, 1)
    layer = Layer("a", conv(8, 4, kernel, stride, padding), (INPUT,))
    graph = Graph((8, 1, 1), (layer,), ("a",))
    engine = Engine(graph, dict.fromkeys(["a"], Precision(mode.value)), whole_ranges(graph, x))
    found, wanted = engine.run(x)["a"], graph.run(x)["a"]
    assert found.shape == wanted.shape
    assert sqnr_db(wanted, found) > 30


def test_a_concatenation_copies_codes() -> None:
    x = seeded(2, 16, 8, 8)
    layers = (
        Layer("a", conv(16, 8, activation=Activation.RELU), (INPUT,)),
        Layer("b", conv(16, 24, activation=Activation.LEAKY), (INPUT,)),
        Layer("join", Concat(), ("a", "b")),
        Layer("c", conv(32, 8, 1, padding=0), ("join",)),
    )
    assert sum(comparison.ties for comparison in check(Graph((16, 8, 8), layers, ("c",)), x, Mode.INT8)[2:3]) == 0


def test_sums_beyond_float32s_integers_are_still_exact() -> None:
    """1024 channels of 9 products near 255 * 127 reach 2.9e8, far over 2^24."""
    weight = torch.rand(4, 1024, 3, 3) * 0.1 + 0.9
    x = torch.rand(1, 1024, 6, 6) * 0.1 + 0.9
    graph = Graph((1024, 6, 6), (Layer("a", Conv2d(weight, torch.zeros(4), padding=(1, 1)), (INPUT,)),), ("a",))
    engine = Engine(graph, {"a": Precision.HYBRID}, whole_ranges(graph, x))
    sums = engine.layer("a").accumulators(x)
    assert sums is not None
    assert int(sums.max()) > 2**24
    check(graph, x, Mode.HYBRID)


@pytest.mark.parametrize("mode", [Mode.INT8, Mode.HYBRID])
def test_sums_beyond_32_bits_do_not_wrap(mode: Mode) -> None:
    """70 000 products near 255 * 127 reach 2.27e9, over 2^31: the mean of a large picture as one matrix product."""
    x = seeded(2, 4, 140, 125).abs() * 0.01 + 1
    weight = torch.stack((torch.full((70_000,), 0.01), torch.full((70_000,), -0.01), torch.randn(70_000) * 0.01))
    layers = (Layer("flat", Flatten(), (INPUT,)), Layer("a", Linear(weight, torch.randn(3)), ("flat",)))
    graph = Graph((4, 140, 125), layers, ("a",))
    check(graph, x, mode, 30)
    plan, calibration = uniform_plan(graph, mode), whole_ranges(graph, x)
    prepared = Engine(graph, plan, calibration).layer("a").integer
    assert prepared is not None
    weights = calibration.weights["a"] if this_cpu().exact_8_bit else calibration.weights["a"].narrowed()
    assert torch.equal(prepared.weights.codes[2], weights.codes[2])


def test_a_float_layer_has_no_sums(graph: Graph, pictures: Sequence[Tensor]) -> None:
    assert Engine(graph, uniform_plan(graph, Mode.FLOAT)).layer("stem").accumulators(pictures[0]) is None
