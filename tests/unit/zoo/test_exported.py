"""Torch models as graphs: the same outputs, batch norms and activations gone, and what is not understood named."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import ExportedProgram

from quant.activation import Activation
from quant.engine import Engine
from quant.graph import Graph
from quant.operations import BatchNorm, Concat, Conv2d, Linear, Weighted
from quant.precision import Mode, uniform_plan
from quant.scales import Calibration
from services.edge.errors import Unsupported
from services.zoo.architectures import build
from services.zoo.exported.graph import graph_of, graph_of_program

TOLERANCE = 1e-5
"""Of the largest output: folding a batch norm rounds its weights once."""


@dataclass(frozen=True)
class Network:
    """A module, its one export, and the graph of that."""

    module: nn.Module
    program: ExportedProgram
    graph: Graph

    def count(self, kind: type[object]) -> int:
        return sum(isinstance(layer.operation, kind) for layer in self.graph.layers)


def picture(size: int, count: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def run(graph: Graph, x: Tensor) -> Tensor:
    (output,) = Engine(graph, uniform_plan(graph, Mode.FLOAT), Calibration()).run(x).values()
    return output


def relative_error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


def lived_in(module: nn.Module) -> nn.Module:
    """Batch norms as after training: none of their four vectors is all ones or all zeros."""
    g = torch.Generator().manual_seed(0)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            assert each.running_mean is not None
            assert each.running_var is not None
            for tensor, low, high in (
                (each.weight, 0.5, 1.5),
                (each.bias, -0.2, 0.2),
                (each.running_mean, -0.2, 0.2),
                (each.running_var, 0.5, 2.0),
            ):
                tensor.data.uniform_(low, high, generator=g)
    return module.eval()


NETWORKS: dict[str, tuple[str, dict[str, float], int]] = {
    "resnet-18": ("resnet18", {}, 64),
    "mobilenet-v2": ("mobilenet_v2", {"width_mult": 0.25}, 64),
    "efficientnet-b0": ("efficientnet_b0", {"width_mult": 0.25, "depth_mult": 0.5}, 64),
    "nasnet-a-mobile": ("nasnet_a_mobile", {"penultimate_filters": 96, "cells": 1, "stem_filters": 8}, 65),
    "alexnet": ("alexnet", {}, 224),
}


@pytest.fixture(scope="module")
def networks() -> Callable[[str], Network]:
    made: dict[str, Network] = {}

    def network(name: str) -> Network:
        if name not in made:
            architecture, parameters, size = NETWORKS[name]
            torch.manual_seed(0)
            module = lived_in(build(architecture, 10, **parameters))
            program = torch.export.export(module, (picture(size),))
            made[name] = Network(module, program, graph_of_program(program))
        return made[name]

    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_graph_gives_the_modules_outputs_for_any_batch(networks: Callable[[str], Network], name: str) -> None:
    network = networks(name)
    x = picture(NETWORKS[name][2], count=2, seed=2)
    with torch.inference_mode():
        expected = network.module(x)
    assert relative_error(run(network.graph, x), expected) <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_weighted_layers_keep_their_number(networks: Callable[[str], Network], name: str) -> None:
    network = networks(name)
    modules = Counter(type(module) for module in network.module.modules())
    assert network.count(Conv2d) == modules[nn.Conv2d]
    assert network.count(Linear) == modules[nn.Linear]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_norm_stays_only_behind_a_concatenation(networks: Callable[[str], Network], name: str) -> None:
    graph = networks(name).graph
    left = [layer for layer in graph.layers if isinstance(layer.operation, BatchNorm)]
    assert len(left) == (4 if name == "nasnet-a-mobile" else 0)
    assert all(isinstance(graph.layer(layer.inputs[0]).operation, Concat) for layer in left)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("resnet-18", {"Conv2d": 20, "Linear": 1, "MaxPool": 1, "GlobalAvgPool": 1, "Flatten": 1}),
        ("alexnet", {"Conv2d": 5, "Linear": 3, "MaxPool": 3, "Flatten": 1}),
    ],
)
def test_every_layer_has_its_kind(networks: Callable[[str], Network], name: str, kinds: dict[str, int]) -> None:
    layers = networks(name).graph.layers
    assert Counter(type(layer.operation).__name__ for layer in layers) == kinds


def test_residual_sums_are_folded_into_the_convolution_before_them(networks: Callable[[str], Network]) -> None:
    layers = networks("resnet-18").graph.layers
    assert sum(len(layer.inputs) == 2 for layer in layers if isinstance(layer.operation, Conv2d)) == 8


def test_layers_are_named_after_their_modules(networks: Callable[[str], Network]) -> None:
    network = networks("mobilenet-v2")
    for layer in network.graph.layers:
        if isinstance(layer.operation, Weighted):
            assert isinstance(network.module.get_submodule(layer.name), nn.Conv2d | nn.Linear)


def test_activations_are_folded_into_the_layers_before_them(networks: Callable[[str], Network]) -> None:
    def activations(name: str) -> set[Activation]:
        layers = networks(name).graph.layers
        return {layer.operation.activation for layer in layers if isinstance(layer.operation, Weighted)}

    assert activations("mobilenet-v2") == {Activation.NONE, Activation.RELU6}
    assert activations("efficientnet-b0") == {Activation.NONE, Activation.SILU, Activation.SIGMOID}
    assert activations("alexnet") == {Activation.NONE, Activation.RELU}


def test_a_program_comes_back_from_its_file_as_the_same_graph(
    networks: Callable[[str], Network], tmp_path: Path
) -> None:
    network, path = networks("mobilenet-v2"), tmp_path / "model.pt2"
    torch.export.save(network.program, path)
    graph = graph_of_program(torch.export.load(path))
    assert [layer.name for layer in graph.layers] == [layer.name for layer in network.graph.layers]
    x = picture(64, seed=3)
    assert torch.equal(run(graph, x), run(network.graph, x))


class Calls(nn.Module):
    """A module that is one function after a convolution."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        return self._function(self.first(x))


SUPPORTED: dict[str, Callable[[Tensor], Tensor]] = {
    "mean over pixels": lambda x: x.mean((2, 3), keepdim=True),
    "mean over pixels that drops them": lambda x: x.mean((2, 3)),
    "two of them": lambda x: x.mean((2, 3)) + torch.relu(x).mean((-1, -2)),
    "pooling rounded up": lambda x: F.max_pool2d(x, 2, ceil_mode=True),
    "adaptive pooling that divides": lambda x: F.adaptive_avg_pool2d(x, 3),
    "average without the border": lambda x: F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False),
    "slice of channels": lambda x: x[:, 1:3] + x[:, 2:4],
    "slice of pixels": lambda x: x[:, :, 1:, :-2],
    "padding": lambda x: F.pad(x, (1, 2, 3, 0)),
    "gate": lambda x: x * F.hardsigmoid(F.adaptive_avg_pool2d(x, 1)),
    "gelu": F.gelu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "relu6": F.relu6,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "nearest": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "nearest by a size": lambda x: F.interpolate(x, size=(27, 27), mode="nearest"),
    "concat": lambda x: torch.cat([x, torch.relu(x)], 1),
    "softmax": lambda x: x.flatten(1).softmax(1),
    "sum with a number": lambda x: x + 1,
    "difference from a number": lambda x: 1 - x,
    "difference from a number, times another": lambda x: torch.rsub(x, 2.0, alpha=3),
    "difference from a tensor, times a number": lambda x: torch.sub(torch.ones(1), x, alpha=3),
    "sum of a tensor and a multiple": lambda x: torch.add(torch.ones(1), x, alpha=3),
    "difference to a number": lambda x: x - 0.5,
    "product with a number": lambda x: -(x * 2) / 3,
    "sum with a number for each channel": lambda x: torch.arange(4.0).view(4, 1, 1) + x,
    "number for each of a vector": lambda x: x.mean((2, 3)) * torch.arange(4.0),
    "clamp": lambda x: x.clamp(0, 6) + x.clamp(min=0),
    "mean of a mean": lambda x: x.mean(3).mean(2),
    "mean of rows": lambda x: x.mean(3, keepdim=True),
    "flatten by size": lambda x: x.view(x.size(0), -1),
    "flatten by shape": lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3]),
    "flatten twice": lambda x: x.flatten(1).flatten(1),
    "average over its size": lambda x: F.avg_pool2d(x, x.size()[2:]).squeeze(3).squeeze(2),
    "one pixel": lambda x: F.adaptive_avg_pool2d(x, 1)[..., 0, 0],
    "one pixel of many": lambda x: x[..., 2, 3],
    "halves": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "there and back": lambda x: x.mean((2, 3))[:, :, None, None] * x,
    "one pixel transposed": lambda x: F.adaptive_avg_pool2d(x, 1).permute(0, 2, 3, 1).flatten(1),
}


@pytest.mark.parametrize("name", SUPPORTED)
def test_an_operator_computes_what_torch_does(name: str) -> None:
    module, x = Calls(SUPPORTED[name]).eval(), picture(9)
    graph = graph_of(module, x)
    with torch.inference_mode():
        assert relative_error(run(graph, x), module(x)) <= TOLERANCE


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (torch.erf, "'erf'"),
        (torch.cumsum, "'cumsum'"),
        (lambda x: x + x[:, :1], "one shape"),
        (lambda x: x * x[:, :1], "factor for each channel"),
        (lambda x: x + x.mean((2, 3)).mean(1), "height and width"),
        (lambda x: x / x, "by a constant"),
        (lambda x: x - x.relu(), "difference"),
        (lambda x: x + torch.arange(9.0), "one number a channel"),
        (lambda x: x.mean(), "height and width"),
        (lambda x: x[:1], "mixes the pictures"),
        (lambda x: x - x.mean(0), "height and width"),
        (lambda x: torch.cat([x, x]), "mixes the pictures"),
        (lambda x: F.instance_norm(x), "'instance_norm'"),
        (lambda x: (x.double() * 2).float(), "'to'"),
        (lambda x: F.leaky_relu(x, 0.3), "0.3"),
        (lambda x: F.hardtanh(x, -1, 1), r"\[-1"),
        (lambda x: F.gelu(x, approximate="tanh"), "exact"),
        (lambda x: x.mean(1, keepdim=True), "height and width"),
        (lambda x: torch.cat([x, x], 2), "channels"),
        (lambda x: x.softmax(3), "channels"),
        (lambda x: F.max_pool2d(x, 2, dilation=2), "dilation"),
        (lambda x: F.adaptive_avg_pool2d(x, 4), "does not divide"),
        (lambda x: F.pad(x, (1, 1), value=1.0), "zeros"),
        (lambda x: x[:, :, ::2], "steps of one"),
        (lambda x: F.interpolate(x, scale_factor=3.1), "only whole factors"),
        (lambda x: x.reshape(1, 2, -1), "flattening"),
    ],
)
def test_what_is_not_understood_is_named(function: Callable[..., Tensor], words: str) -> None:
    called = (lambda x: function(x, 1)) if function is torch.cumsum else function
    with pytest.raises(Unsupported, match=words):
        graph_of(Calls(called), picture(9))


def test_padding_by_name_is_refused_with_the_layer() -> None:
    with pytest.raises(Unsupported, match="same"):
        graph_of(nn.Sequential(nn.Conv2d(3, 4, 3, padding="same")), picture(9))


class Twice(nn.Module):
    """Takes two pictures."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_a_program_must_take_one_picture() -> None:
    for module, inputs in ((Twice(), (picture(9), picture(9))), (nn.ReLU(), (torch.zeros(1, 9),))):
        with pytest.raises(Unsupported, match="one picture"):
            graph_of_program(torch.export.export(module, inputs))


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # torch's own
@pytest.mark.parametrize("name", ["resnet-18", "mobilenet-v2", "alexnet"])
def test_a_decomposed_program_is_the_same_network(networks: Callable[[str], Network], name: str) -> None:
    network, x = networks(name), picture(NETWORKS[name][2])
    graph = graph_of_program(network.program.run_decompositions())
    with torch.inference_mode():
        assert relative_error(run(graph, x), network.module(x)) <= TOLERANCE


def test_a_module_used_twice_gives_both_layers_its_weights() -> None:
    conv = nn.Conv2d(3, 3, 1)
    module, x = nn.Sequential(conv, nn.ReLU(), conv).eval(), picture(9)
    with torch.inference_mode():
        assert relative_error(run(graph_of(module, x), x), module(x)) <= TOLERANCE
