"""Channels made large and read small are evened out, and the float function stays as it is, bit by bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from quant.activation import Activation
from quant.calibration import Granularity, calibrate
from quant.engine import Engine
from quant.equalisation import MOST_DOUBLINGS, equalise
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
from quant.operations import Activate, Add, Conv2d, Flatten, Linear, MaxPool, Operation, Pad, Upsample, Weighted
from quant.precision import Mode, uniform_plan
from quant.statistics import sqnr_db

SCALING = st.sampled_from([Activation.NONE, Activation.RELU, Activation.LEAKY])
PASSING: st.SearchStrategy[Operation] = st.sampled_from(
    [MaxPool((2, 2), (1, 1)), Upsample(2), Pad((1, 0, 0, 1)), Activate(Activation.RELU), Activate(Activation.LEAKY)]
)


def uneven(generator: torch.Generator, *shape: int) -> Tensor:
    """Weights whose channels, in and out, are up to a thousand times apart."""
    weight = torch.randn(shape, generator=generator)
    for axis in (0, 1):
        apart = torch.exp2(torch.empty(shape[axis]).uniform_(-5, 5, generator=generator))
        weight *= apart.view([-1 if each == axis else 1 for each in range(len(shape))])
    return weight


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """Convolutions in a chain, dense or depthwise, with what passes channels on between, and a matrix product."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1 << 30)))
    layers = list[Layer]()

    def add(operation: Operation) -> str:
        layers.append(Layer(f"layer-{len(layers)}", operation, (layers[-1].name if layers else INPUT,)))
        return layers[-1].name

    channels = 3
    for _ in range(draw(st.integers(2, 4))):
        groups, after = (channels, channels) if draw(st.booleans()) else (1, 4)
        weight, bias = uneven(generator, after, channels // groups, 3, 3), torch.randn(after, generator=generator)
        add(Conv2d(weight, bias, padding=(1, 1), groups=groups, activation=draw(SCALING)))
        channels = after
        for passing in draw(st.lists(PASSING, max_size=2)):
            add(passing)
    flat = add(Flatten())
    features = Graph((3, 6, 6), tuple(layers), (flat,)).shapes[flat][0]
    output = add(Linear(torch.randn(5, features, generator=generator), torch.randn(5, generator=generator)))
    return Graph((3, 6, 6), tuple(layers), (output,))


@settings(max_examples=20, deadline=None)
@given(networks())
def test_the_float_function_stays_bit_by_bit(graph: Graph) -> None:
    found = equalise(graph)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found.graph.run(x)[graph.outputs[0]], graph.run(x)[graph.outputs[0]])
    assert found.scaled.keys() | found.left.keys() == {
        layer.name for layer in graph.layers if isinstance(layer.operation, Weighted)
    }


def two(first: Activation, *, spread: float = 3.0) -> Graph:
    """A layer whose channels lie `spread` doublings apart, and one that takes them back."""
    generator = torch.Generator().manual_seed(2)
    apart = torch.exp2(torch.linspace(-spread, spread, 8)).view(-1, 1, 1, 1)
    layers = (
        Layer(
            "one",
            Conv2d(torch.randn(8, 3, 3, 3, generator=generator) * apart, torch.zeros(8), activation=first),
            (INPUT,),
        ),
        Layer(
            "two",
            Conv2d(torch.randn(4, 8, 1, 1, generator=generator) / apart.view(1, -1, 1, 1), torch.zeros(4)),
            ("one",),
        ),
    )
    return Graph((3, 16, 16), layers, ("two",))


def channel_ranges(graph: Graph) -> tuple[Tensor, Tensor]:
    made, read = (graph.layer(name).operation for name in ("one", "two"))
    assert isinstance(made, Conv2d)
    assert isinstance(read, Conv2d)
    return made.weight.abs().amax((1, 2, 3)), read.weight.abs().amax((0, 2, 3))


def test_a_channel_has_the_same_range_where_it_is_made_and_read() -> None:
    found = equalise(two(Activation.RELU))
    made, read = channel_ranges(found.graph)
    assert found.scaled == {"one": ("two",)}
    assert bool(((made / read).log2().abs() <= 1).all())
    before, after = channel_ranges(two(Activation.RELU))
    assert float((before / after).log2().abs().max()) > 4


def test_no_channel_is_blown_up_without_end() -> None:
    graph = two(Activation.RELU, spread=20.0)
    factors = channel_ranges(equalise(graph).graph)[0] / channel_ranges(graph)[0]
    assert float(factors.log2().abs().max()) == MOST_DOUBLINGS


def test_one_scale_for_all_weights_loses_less_of_even_channels() -> None:
    graph = two(Activation.RELU)
    pictures = list(torch.rand(4, 1, 3, 16, 16, generator=torch.Generator().manual_seed(3)))

    def kept_db(of: Graph) -> float:
        found = calibrate(of.layers, observe(of, pictures), "minmax", Granularity.TENSOR, 7).calibration
        engine = Engine(of, uniform_plan(of, Mode.INT8), found)
        return sqnr_db(graph.run(pictures[0])["two"], engine.run(pictures[0])["two"])

    assert kept_db(equalise(graph).graph) > kept_db(graph) + 6


@pytest.mark.parametrize("activation", [Activation.RELU6, Activation.HARDSWISH, Activation.SILU, Activation.SIGMOID])
def test_what_does_not_scale_is_left_alone_by_name(activation: Activation) -> None:
    graph = two(activation)
    found = equalise(graph)
    assert found.left == {"one": f"{activation} does not scale", "two": "two is an output"}
    assert not found.scaled
    assert all(
        mine.operation is theirs.operation for mine, theirs in zip(found.graph.layers, graph.layers, strict=True)
    )


def test_what_is_added_or_read_otherwise_is_left_alone_by_name() -> None:
    weight, bias = uneven(torch.Generator().manual_seed(4), 3, 3, 1, 1), torch.zeros(3)
    conv = Conv2d(weight, bias, activation=Activation.RELU)
    layers = (
        Layer("first", conv, (INPUT,)),
        Layer("residual", conv, ("first", INPUT)),
        Layer("added", conv, ("residual",)),
        Layer("sum", Add(), ("added", "residual")),
        Layer("skipped", conv, ("sum",)),
        Layer("last", conv, ("sum", "skipped")),
    )
    found = equalise(Graph((3, 4, 4), layers, ("last",)))
    assert found.scaled == {"first": ("residual",)}
    assert found.left == {
        "residual": "it adds input",
        "added": "sum (Add) reads it",
        "skipped": "last adds it",
        "last": "it adds skipped",
    }


def test_what_leads_nowhere_is_left_alone_by_name() -> None:
    conv = Conv2d(torch.ones(3, 3, 1, 1), torch.zeros(3), activation=Activation.RELU)
    layers = (
        Layer("dead", conv, (INPUT,)),
        Layer("pool", MaxPool((2, 2), (2, 2)), ("dead",)),
        Layer("last", conv, (INPUT,)),
    )
    found = equalise(Graph((3, 4, 4), layers, ("last",)))
    assert found.left == {"dead": "no layer with weights reads it", "last": "last is an output"}
