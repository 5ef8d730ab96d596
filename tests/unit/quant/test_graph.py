"""A graph refuses what does not fit together, and runs what does."""

import pytest
import torch

from quant.activation import Activation
from quant.errors import InvalidGraph, LayerNotFound, NonFiniteValue, WrongShape
from quant.graph import INPUT, Graph, Layer
from quant.operations import Activate, Add, BatchNorm, Conv2d, Mul, Operation


def conv(outputs: int, inputs: int) -> Conv2d:
    return Conv2d(torch.ones(outputs, inputs, 1, 1), torch.zeros(outputs))


def chain(*layers: tuple[str, Operation, tuple[str, ...]]) -> tuple[Layer, ...]:
    return tuple(Layer(*layer) for layer in layers)


@pytest.mark.parametrize(
    ("layers", "outputs", "said"),
    [
        (chain(("a", conv(4, 3), (INPUT,)), ("a", conv(4, 4), ("a",))), ("a",), "two layers have the name 'a'"),
        (chain(("a", conv(4, 3), ("b",))), ("a",), "reads 'b', which no earlier layer makes"),
        (chain(("a", Add(), (INPUT,))), ("a",), "has 1 inputs; Add takes 2 to 64"),
        (chain(("a", Mul(), (INPUT, INPUT, INPUT))), ("a",), "has 3 inputs; Mul takes 2 to 2"),
        (chain(("a", conv(4, 3), (INPUT,))), ("b",), r"outputs \('b',\)"),
        (chain(("a", conv(4, 3), (INPUT,))), (), "outputs"),
        (
            chain(("a", Conv2d(torch.ones(4, 3, 1, 1), torch.zeros(3)), (INPUT,))),
            ("a",),
            "4 output channels and a bias",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers: tuple[Layer, ...], outputs: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidGraph, match=said):
        Graph((3, 4, 4), layers, outputs)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused_by_layer_and_part(bad: float) -> None:
    weights = torch.ones(4, 3, 1, 1)
    weights[2, 1] = bad
    with pytest.raises(NonFiniteValue, match="layer 'a': weight"):
        Graph((3, 4, 4), chain(("a", Conv2d(weights, torch.zeros(4)), (INPUT,))), ("a",))


@pytest.mark.parametrize("part", ["scale", "shift"])
def test_a_norm_that_is_not_finite_is_refused_too(part: str) -> None:
    good, bad = torch.ones(3), torch.tensor([1.0, float("nan"), 1.0])
    norms = {"scale": BatchNorm(bad, good), "shift": BatchNorm(good, bad)}
    with pytest.raises(NonFiniteValue, match=f"layer 'a': {part}"):
        Graph((3, 4, 4), chain(("a", norms[part], (INPUT,))), ("a",))


def test_an_unknown_layer_is_answered_with_names_alike() -> None:
    graph = Graph((3, 4, 4), chain(("features.0.conv", conv(4, 3), (INPUT,))), ("features.0.conv",))
    with pytest.raises(LayerNotFound, match=r"no layer 'conv' in this graph; there is features\.0\.conv"):
        graph.layer("conv")


def test_a_misspelt_layer_is_answered_with_names_alike() -> None:
    graph = Graph((3, 4, 4), chain(("convolutional_0", conv(4, 3), (INPUT,))), ("convolutional_0",))
    for name in ("convolutional_9", "Convolutional_0", "convolution0"):
        with pytest.raises(LayerNotFound, match="there is convolutional_0"):
            graph.layer(name)


def test_a_picture_of_another_size_is_refused(graph: Graph) -> None:
    with pytest.raises(WrongShape, match=r"\[1, 3, 8, 8\], expected \[N, 3, 16, 16\]"):
        graph.run(torch.zeros(1, 3, 8, 8))


def test_shapes_are_those_of_the_values(graph: Graph) -> None:
    values = dict(graph.values(torch.zeros(2, 3, 16, 16)))
    assert graph.shapes == {INPUT: (3, 16, 16)} | {name: tuple(value.shape[1:]) for name, value in values.items()}


def test_consumers_are_named_once_each_and_in_order() -> None:
    layers = chain(("a", conv(3, 3), (INPUT,)), ("twice", Add(), ("a", "a")), ("b", Add(), ("a", "twice")))
    assert Graph((3, 4, 4), layers, ("b",)).consumers == {
        INPUT: ("a",),
        "a": ("twice", "b"),
        "twice": ("b",),
        "b": (),
    }


def test_an_output_that_others_read_is_still_an_output() -> None:
    layers = chain(("a", conv(3, 3), (INPUT,)), ("b", Activate(Activation.RELU), ("a",)))
    outputs = Graph((3, 4, 4), layers, ("a", "b")).run(-torch.ones(1, 3, 4, 4))
    assert torch.equal(outputs["a"], torch.full((1, 3, 4, 4), -3.0))
    assert torch.equal(outputs["b"], torch.zeros(1, 3, 4, 4))


def test_a_changed_operation_leaves_the_old_graph_as_it_was(graph: Graph) -> None:
    before = graph.layer("squeeze").operation
    changed = graph.with_operation("squeeze", conv(8, 8))
    assert graph.layer("squeeze").operation is before
    assert changed.layer("squeeze").operation is not before
    assert changed.layer("stem") is graph.layer("stem")
