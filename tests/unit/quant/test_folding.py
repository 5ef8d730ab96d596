"""Folding changes how many layers there are, never what they compute."""

import torch

from quant.activation import Activation
from quant.folding import fold
from quant.graph import INPUT, Graph, Layer
from quant.operations import Activate, Add, BatchNorm, Conv2d, Flatten, Linear, Pad


def conv(channels: int = 3) -> Conv2d:
    return Conv2d(torch.randn(channels, 3, 3, 3), torch.randn(channels), padding=(1, 1))


def norm() -> BatchNorm:
    return BatchNorm(torch.randn(3), torch.randn(3))


def check(before: Graph, layers: list[str]) -> Graph:
    after = fold(before)
    assert [layer.name for layer in after.layers] == layers
    x = torch.randn(2, *before.input_shape)
    for expected, found in zip(before.run(x).values(), after.run(x).values(), strict=True):
        assert torch.allclose(expected, found, rtol=1e-4, atol=1e-4)
    return after


def test_a_residual_block_becomes_two_layers() -> None:
    layers = (
        Layer("c1", conv(), (INPUT,)),
        Layer("n1", norm(), ("c1",)),
        Layer("r1", Activate(Activation.RELU), ("n1",)),
        Layer("c2", conv(), ("r1",)),
        Layer("n2", norm(), ("c2",)),
        Layer("sum", Add(), ("n2", "r1")),
        Layer("r2", Activate(Activation.RELU), ("sum",)),
    )
    after = check(Graph((3, 8, 8), layers, ("r2",)), ["c1", "c2"])
    assert after.layer("c2").inputs == ("c1", "c1")
    assert after.outputs == ("c2",)


def test_a_value_with_a_second_reader_is_left_alone() -> None:
    layers = (
        Layer("c", conv(), (INPUT,)),
        Layer("r", Activate(Activation.RELU), ("c",)),
        Layer("sum", Add(), ("c", "r")),
    )
    check(Graph((3, 8, 8), layers, ("sum",)), ["c", "r", "sum"])


def test_a_value_that_is_an_output_is_left_alone() -> None:
    layers = (Layer("c", conv(), (INPUT,)), Layer("n", norm(), ("c",)))
    check(Graph((3, 8, 8), layers, ("c", "n")), ["c", "n"])


def test_the_same_done_twice_to_one_value_is_done_once() -> None:
    layers = (
        Layer("c", conv(), (INPUT,)),
        Layer("r1", Activate(Activation.RELU), ("c",)),
        Layer("p1", Pad((1, 0, 0, 1)), ("r1",)),
        Layer("r2", Activate(Activation.RELU), ("c",)),
        Layer("p2", Pad((1, 0, 0, 1)), ("r2",)),
        Layer("other", Activate(Activation.SIGMOID), ("c",)),
        Layer("sum", Add(), ("p1", "p2")),
    )
    after = check(Graph((3, 8, 8), layers, ("sum", "other", "p2")), ["c", "r1", "p1", "other", "sum"])
    assert after.layer("sum").inputs == ("p1", "p1")
    assert after.outputs == ("sum", "other", "p1")


def test_an_activation_twice_on_a_convolution_still_folds_into_it() -> None:
    layers = (
        Layer("c", conv(), (INPUT,)),
        Layer("r1", Activate(Activation.RELU), ("c",)),
        Layer("r2", Activate(Activation.RELU), ("c",)),
        Layer("sum", Add(), ("r1", "r2")),
    )
    check(Graph((3, 8, 8), layers, ("sum",)), ["c", "sum"])


def test_an_activation_before_the_norm_keeps_them_apart() -> None:
    layers = (
        Layer("c", conv(), (INPUT,)),
        Layer("r", Activate(Activation.RELU), ("c",)),
        Layer("n", norm(), ("r",)),
        Layer("s", Activate(Activation.SILU), ("n",)),
    )
    check(Graph((3, 8, 8), layers, ("s",)), ["c", "n"])


def test_an_activated_convolution_takes_no_sum() -> None:
    layers = (
        Layer("c", conv(), (INPUT,)),
        Layer("r", Activate(Activation.LEAKY), ("c",)),
        Layer("sum", Add(), ("r", INPUT)),
    )
    check(Graph((3, 8, 8), layers, ("sum",)), ["c", "sum"])


def test_a_sum_of_two_convolutions_goes_into_one_of_them() -> None:
    layers = (
        Layer("a", conv(), (INPUT,)),
        Layer("b", conv(), (INPUT,)),
        Layer("sum", Add(), ("a", "b")),
        Layer("r", Activate(Activation.RELU), ("sum",)),
    )
    check(Graph((3, 8, 8), layers, ("r",)), ["b", "a"])


def test_a_norm_folds_into_a_linear_layer() -> None:
    layers = (
        Layer("f", Flatten(), (INPUT,)),
        Layer("l", Linear(torch.randn(3, 12), torch.randn(3)), ("f",)),
        Layer("n", norm(), ("l",)),
    )
    check(Graph((3, 2, 2), layers, ("n",)), ["f", "l"])
