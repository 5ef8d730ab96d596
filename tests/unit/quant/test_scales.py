"""Weights as integers, and which values share a scale."""

import pytest
import torch

from quant.activation import Activation
from quant.errors import InvalidScale, NotCalibrated, WrongShape
from quant.graph import INPUT, Graph, Layer
from quant.operations import Concat, Conv2d, Flatten, Linear, MaxPool
from quant.scales import Calibration, quantise_weights, scale_groups
from tests.unit.quant.whole_ranges import whole_ranges


def linear(weight: list[list[float]], bias: list[float]) -> Linear:
    return Linear(torch.tensor(weight), torch.tensor(bias))


def test_codes_are_nearest_and_the_bias_is_in_units_of_the_sum() -> None:
    weights = quantise_weights(linear([[1.27, -0.5], [0.1, 0.2]], [0.03, -1.0]), torch.tensor([0.01, 0.1]), 0.5)
    assert weights.codes.tolist() == [[127, -50], [1, 2]]
    assert weights.bias.tolist() == [6, -20]
    assert torch.allclose(weights.real_bias, torch.tensor([0.03, -1.0]))


def test_truncation_cuts_towards_zero() -> None:
    weights = quantise_weights(linear([[0.19, -0.19]], [0.0]), torch.tensor([0.1]), 1.0, truncate=True)
    assert weights.codes.tolist() == [[1, -1]]


def test_an_all_zero_channel_keeps_zero_codes(pictures: list[torch.Tensor]) -> None:
    conv = Conv2d(torch.zeros(4, 3, 1, 1), torch.zeros(4))
    graph = Graph((3, 16, 16), (Layer("a", conv, (INPUT,)),), ("a",))
    weights = whole_ranges(graph, *pictures).of_weights("a")
    assert not weights.codes.any()
    assert weights.scale.tolist() == [1.0] * 4


def test_a_scale_too_fine_for_its_bias_is_raised_until_it_fits() -> None:
    weights = quantise_weights(linear([[1e-12]], [3.0]), torch.tensor([1e-14]), 0.01)
    assert float(weights.real_bias) == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize(
    ("scale", "error"),
    [([0.0], InvalidScale), ([-1.0], InvalidScale), ([float("nan")], InvalidScale), ([1.0, 1.0, 1.0], WrongShape)],
)
def test_a_weight_scale_that_cannot_be_is_refused(scale: list[float], error: type[Exception]) -> None:
    with pytest.raises(error):
        quantise_weights(linear([[1.0], [1.0]], [0.0, 0.0]), torch.tensor(scale), 1.0)


def test_narrowed_weights_mean_the_same_in_seven_bits() -> None:
    operation = Linear(torch.randn(8, 32), torch.randn(8))
    weights = quantise_weights(operation, operation.weight.abs().amax(1) / 127, 0.1)
    narrow = weights.narrowed()
    assert int(narrow.codes.abs().max()) <= 63
    assert torch.allclose(narrow.codes * narrow.scale[:, None], operation.weight, atol=float(narrow.scale.max()) * 0.8)
    assert torch.allclose(narrow.real_bias, operation.bias, atol=1e-2)
    assert narrow.narrowed() is narrow


def test_narrowing_leaves_narrow_channels_as_they_are() -> None:
    weights = quantise_weights(linear([[0.63, -0.2], [1.27, 0.4]], [0.5, 0.5]), torch.tensor([0.01, 0.01]), 0.5)
    narrow = weights.narrowed()
    assert torch.equal(narrow.codes[0], weights.codes[0])
    assert (narrow.scale[0], narrow.bias[0]) == (weights.scale[0], weights.bias[0])
    assert narrow.codes[1].tolist() == [63, 20]
    assert torch.allclose(narrow.real_bias, weights.real_bias, rtol=0.02)


def test_weights_behind_an_input_of_another_scale_keep_their_real_bias() -> None:
    weights = quantise_weights(linear([[1.27], [0.1]], [3.0, -1.0]), torch.tensor([0.01, 0.01]), 0.5)
    behind = weights.for_input(0.02)
    assert behind.x_scale == 0.02
    assert behind.bias.tolist() == [15_000, -5_000]
    assert torch.allclose(behind.real_bias, weights.real_bias)


@pytest.mark.parametrize("times", [4, 1e3, 1e9])
def test_a_bias_keeps_its_meaning_behind_an_input_too_fine_for_it(times: float) -> None:
    """A channel of hardly any weights, as trained networks have, has its bias at the limit from the beginning."""
    operation = linear([[1.27, -0.4], [1e-12, 0.0], [1.27, -0.4]], [3.0, -3.0, 0.0])
    weights = quantise_weights(operation, torch.tensor([0.01, 1e-14, 0.01]), 0.5)
    behind = weights.for_input(0.5 / times)
    assert torch.allclose(behind.real_bias, operation.bias, rtol=1e-6)
    assert torch.equal(behind.codes[2], weights.codes[2])
    decoded = behind.codes * behind.scale[:, None]
    assert torch.allclose(decoded, operation.weight, atol=max(0.01, float(behind.scale[0]) / 2))


def test_a_missing_scale_is_said_with_its_name() -> None:
    with pytest.raises(NotCalibrated, match="value 'a' has no scale"):
        Calibration().of_value("a")
    with pytest.raises(NotCalibrated, match="layer 'a' has no integer weights"):
        Calibration().of_weights("a")


def test_values_joined_by_a_concatenation_share_a_scale() -> None:
    conv = Conv2d(torch.ones(3, 3, 1, 1), torch.zeros(3), activation=Activation.RELU)
    layers = (
        Layer("a", conv, (INPUT,)),
        Layer("pool", MaxPool((1, 1), (1, 1)), ("a",)),
        Layer("b", conv, ("pool",)),
        Layer("join", Concat(), ("pool", "b")),
        Layer("flat", Flatten(), ("join",)),
    )
    groups = scale_groups(Graph((3, 2, 2), layers, ("flat",)))
    assert groups == {INPUT: INPUT} | dict.fromkeys(("a", "pool", "b", "join", "flat"), "a")
