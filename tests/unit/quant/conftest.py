"""One small detector for the tests of calibration, stepping, crossing and edits."""

import pytest
import torch
from torch import Tensor

from quant.activation import Activation
from quant.graph import INPUT, Graph, Layer
from quant.operations import Add, Concat, Conv2d, MaxPool, Upsample, Yolo
from quant.precision import Mode, uniform_plan
from quant.scales import Calibration
from quant.variant import Variant
from tests.unit.quant.whole_ranges import whole_ranges

CHANNELS = 8


def convolution(generator: torch.Generator, before: int, after: int, kernel: int, activation: Activation) -> Conv2d:
    weight = torch.randn(after, before, kernel, kernel, generator=generator) * (2 / (before * kernel * kernel)) ** 0.5
    padding = (kernel // 2, kernel // 2)
    return Conv2d(weight, torch.randn(after, generator=generator) * 0.1, padding=padding, activation=activation)


@pytest.fixture(scope="session")
def graph() -> Graph:
    """Convolutions of three activations, a shortcut, pooling, a concatenation over an upsampling, and a head."""
    g = torch.Generator().manual_seed(0)
    layers = (
        Layer("stem", convolution(g, 3, CHANNELS, 3, Activation.LEAKY), (INPUT,)),
        Layer("squeeze", convolution(g, CHANNELS, CHANNELS, 1, Activation.RELU), ("stem",)),
        Layer("expand", convolution(g, CHANNELS, CHANNELS, 3, Activation.LEAKY), ("squeeze",)),
        Layer("shortcut", Add(), ("expand", "stem")),
        Layer("pool", MaxPool((2, 2), (2, 2)), ("shortcut",)),
        Layer("deep", convolution(g, CHANNELS, 2 * CHANNELS, 3, Activation.SILU), ("pool",)),
        Layer("up", Upsample(2), ("deep",)),
        Layer("join", Concat(), ("up", "shortcut")),
        Layer("raw", convolution(g, 3 * CHANNELS, 14, 1, Activation.NONE), ("join",)),
        Layer("head", Yolo(2, ((10.0, 14.0), (23.0, 27.0))), ("raw",)),
    )
    return Graph((3, 16, 16), layers, ("head",))


@pytest.fixture(scope="session")
def pictures() -> list[Tensor]:
    """Four pictures, smooth enough to be pictures."""
    g = torch.Generator().manual_seed(1)
    coarse = torch.rand(4, 1, 3, 4, 4, generator=g)
    return [torch.nn.functional.interpolate(part, (16, 16), mode="bilinear") for part in coarse]


@pytest.fixture(scope="session")
def calibration(graph: Graph, pictures: list[Tensor]) -> Calibration:
    return whole_ranges(graph, *pictures)


@pytest.fixture(scope="session")
def variant(graph: Graph, calibration: Calibration) -> Variant:
    """The graph in int8."""
    return Variant(graph, uniform_plan(graph, Mode.INT8), calibration)
