"""The programs that the benchmark writes for LiteRT and ncnn compute the network that they are written of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from quant.activation import Activation
from quant.graph import INPUT, Graph, Layer
from quant.operations import (
    Activate,
    Add,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    Operation,
    Upsample,
    Yolo,
)
from quant.statistics import cosine
from services.bench.peer_ranges import Ranges, ranges_of
from services.bench.quant_litert import LiteRtForm, LiteRtProgram
from services.bench.quant_ncnn import NcnnProgram, NcnnWriter

Answer = Callable[[Graph, Ranges, Tensor, Path], list[NDArray[np.float32]]]
ALIKE = 0.99


def in_litert(graph: Graph, ranges: Ranges, x: Tensor, _: Path) -> list[NDArray[np.float32]]:
    program = LiteRtProgram(LiteRtForm(graph, ranges).content(), x)
    program.run()
    return program.outputs()


def in_ncnn(graph: Graph, ranges: Ranges, x: Tensor, folder: Path) -> list[NDArray[np.float32]]:
    param, weights = folder / "net.param", folder / "net.bin"
    NcnnWriter(graph, ranges).write(param, weights)
    program = NcnnProgram(param, weights, graph.outputs, x)
    program.run()
    return program.outputs()


def weights(*shape: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(sum(shape))
    weight = torch.randn(*shape, generator=random) / (weight_size(shape) ** 0.5)
    return weight, torch.randn(shape[0], generator=random) / 10


def weight_size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape[1:]))


def graph_of(*layers: tuple[str, Operation, tuple[str, ...]], outputs: tuple[str, ...]) -> Graph:
    return Graph((3, 16, 16), tuple(Layer(*layer) for layer in layers), outputs)


def conv(after: int, before: int, kernel: int, activation: Activation = Activation.NONE, **more: int) -> Conv2d:
    around, stride, groups = kernel // 2, more.get("stride", 1), more.get("groups", 1)
    return Conv2d(
        *weights(after, before // groups, kernel, kernel),
        stride=(stride, stride),
        padding=(around, around),
        groups=groups,
        activation=activation,
    )


CLASSIFIER = graph_of(
    ("stem", conv(8, 3, 3, Activation.RELU, stride=2), (INPUT,)),
    ("pool", MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), ("stem",)),
    ("wide", conv(16, 8, 1, Activation.RELU6), ("pool",)),
    ("deep", conv(16, 16, 3, Activation.RELU6, groups=16), ("wide",)),
    ("narrow", conv(8, 16, 1, Activation.RELU), ("deep", "pool")),
    ("gated", conv(8, 8, 3, Activation.SILU), ("narrow",)),
    ("mean", GlobalAvgPool(), ("gated",)),
    ("squeeze", conv(4, 8, 1, Activation.SILU), ("mean",)),
    ("gate", conv(8, 4, 1, Activation.SIGMOID), ("squeeze",)),
    ("scaled", Mul(), ("gated", "gate")),
    ("sum", Add(Activation.RELU), ("scaled", "narrow")),
    ("all", GlobalAvgPool(), ("sum",)),
    ("vector", Flatten(), ("all",)),
    ("scores", Linear(*weights(5, 8)), ("vector",)),
    outputs=("scores",),
)
DETECTOR = graph_of(
    ("stem", conv(8, 3, 3, Activation.LEAKY), (INPUT,)),
    ("half", MaxPool((2, 2), (2, 2)), ("stem",)),
    ("same", MaxPool((2, 2), (1, 1), (0, 1, 0, 1)), ("half",)),
    ("low", conv(8, 8, 3, Activation.LEAKY, stride=2), ("same",)),
    ("up", Upsample(2), ("low",)),
    ("join", Concat(), ("up", "same")),
    ("raw", conv(14, 16, 1), ("join",)),
    ("head", Yolo(2, ((10.0, 14.0), (23.0, 27.0))), ("raw",)),
    outputs=("head",),
)


@pytest.mark.parametrize("answer", [in_litert, in_ncnn])
@pytest.mark.parametrize("graph", [CLASSIFIER, DETECTOR], ids=["classifier", "detector"])
def test_a_written_program_computes_its_network(graph: Graph, answer: Answer, tmp_path: Path) -> None:
    pictures = [torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) for seed in range(4)]
    (found,) = answer(graph, ranges_of(graph, pictures), pictures[0], tmp_path)
    values = dict(graph.values(pictures[0]))
    wanted = values["scores" if graph is CLASSIFIER else "raw"][0]
    assert found.reshape(-1).shape == wanted.reshape(-1).shape
    assert cosine(wanted.reshape(-1), torch.from_numpy(found.copy()).reshape(-1)) > ALIKE


@pytest.mark.parametrize("answer", [in_litert, in_ncnn])
def test_an_activation_by_itself_keeps_its_slope(answer: Answer, tmp_path: Path) -> None:
    leaky = ("leaky", Activate(Activation.LEAKY), ("sums",))
    graph = graph_of(("sums", conv(4, 3, 1), (INPUT,)), leaky, outputs=("leaky",))
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    (found,) = answer(graph, ranges_of(graph, [x]), x, tmp_path)
    wanted = float(dict(graph.values(x))["leaky"].min())
    assert wanted < -0.1
    assert found.min() == pytest.approx(wanted, abs=0.03)


def test_values_that_share_their_codes_share_what_they_span() -> None:
    pictures = [torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))]
    ranges = ranges_of(DETECTOR, pictures)
    assert ranges["up"] == ranges["join"] == ranges["same"] == ranges["low"]
    assert "head" not in ranges or ranges["head"] == ranges["raw"]
    assert ranges["raw:product"] == ranges["raw"]
