"""Every integer kernel against its definition in 64 bits: sums equal, codes equal but for ties, near the float run."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from quant.activation import Activation
from quant.affine import Value, as_float
from quant.calibration import calibrate
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
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
    Reorg,
    Slice,
    Upsample,
)
from quant.precision import Mode, Precision, uniform_plan
from quant.reference import Comparison, compare
from quant.statistics import sqnr_db

EXACT = dict.fromkeys(("wrong_accumulators", "wrong_codes"), 0)


def check(graph: Graph, x: Tensor, mode: Mode, at_least_db: float = 25.0) -> list[Comparison]:
    """Run every integer layer of `graph` on what it gets and compare it with its definition."""
    engine = Engine(
        graph, uniform_plan(graph, mode), calibrate(graph.layers, observe(graph, [x]), "minmax").calibration
    )
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
    engine = Engine(graph, {"a": Precision.HYBRID}, calibrate(graph.layers, observe(graph, [x]), "minmax").calibration)
    sums = engine.layer("a").accumulators(x)
    assert sums is not None
    assert int(sums.max()) > 2**24
    check(graph, x, Mode.HYBRID)


def test_a_float_layer_has_no_sums(graph: Graph, pictures: Sequence[Tensor]) -> None:
    assert Engine(graph, uniform_plan(graph, Mode.FLOAT)).layer("stem").accumulators(pictures[0]) is None
