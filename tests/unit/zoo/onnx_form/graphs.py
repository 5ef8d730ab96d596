"""Random small graphs of all the engine's operations, and what runtimes make of their programs."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from hypothesis import strategies as st
from torch import Tensor

from quant.activation import Activation
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
    Region,
    Reorg,
    Slice,
    Upsample,
    Yolo,
)
from quant.precision import Mode, Plan, Precision, uniform_plan
from quant.scales import Calibration

C, SIDE = 8, 8
ChosenStep: TypeAlias = tuple[str, int, Activation, int]
"""An operation's name, the seed of its weights, its activation, and how many values back its second input lies."""


def convolution(seed: int, before: int, after: int, kernel: int, activation: Activation, **options: object) -> Conv2d:
    g = torch.Generator().manual_seed(seed)
    groups = int(options.get("groups", 1))  # type: ignore[call-overload]
    weight = (
        torch.randn(after, before // groups, kernel, kernel, generator=g) * (2 * groups / before / kernel**2) ** 0.5
    )
    bias = torch.randn(after, generator=g) * 0.2
    return Conv2d(weight, bias, padding=(kernel // 2,) * 2, activation=activation, **options)  # type: ignore[arg-type]


def norm(seed: int) -> BatchNorm:
    g = torch.Generator().manual_seed(seed)
    return BatchNorm(torch.randn(C, generator=g), torch.randn(C, generator=g) * 0.1, Activation.RELU)


# name -> from a seed and an activation an operation [N, C, SIDE, SIDE] -> the same shape, and how many inputs it has
STEPS: dict[str, tuple[Callable[[int, Activation], Operation], int]] = {
    "convolution": (lambda seed, a: convolution(seed, C, C, 3, a), 1),
    "pixelwise": (lambda seed, a: convolution(seed, C, C, 1, a), 1),
    "depthwise": (lambda seed, a: convolution(seed, C, C, 3, a, groups=C), 1),
    "residual": (lambda seed, a: convolution(seed, C, C, 1, a), 2),
    "norm": (lambda seed, _: norm(seed), 1),
    "sum": (lambda _, a: Add(a), 2),
    "product": (lambda *_: Mul(), 2),
    "activation": (lambda _, a: Activate(a), 1),
    "largest": (lambda *_: MaxPool((2, 2), (1, 1), (0, 1, 0, 1)), 1),
    "mean": (lambda *_: AvgPool((3, 3), (1, 1), (1, 1, 1, 1)), 1),
    "mean with zeros": (lambda *_: AvgPool((3, 3), (1, 1), (1, 1, 1, 1), count_include_pad=True), 1),
}
# (layers' operations and inputs) that take a value to the same shape by way of another
DETOURS: dict[str, Callable[[str, str], list[Layer]]] = {
    "gate": lambda name, x: [
        Layer(f"{name}_mean", GlobalAvgPool(), (x,)),
        Layer(f"{name}_gate", convolution(5, C, C, 1, Activation.SIGMOID), (f"{name}_mean",)),
        Layer(name, Mul(), (x, f"{name}_gate")),
    ],
    "halves": lambda name, x: [
        Layer(f"{name}_first", Slice(0, C // 2), (x,)),
        Layer(f"{name}_last", Slice(C // 2, C), (x,)),
        Layer(name, Concat(), (f"{name}_last", f"{name}_first")),
    ],
    "smaller and larger": lambda name, x: [
        Layer(f"{name}_small", convolution(6, C, C, 3, Activation.RELU, stride=(2, 2)), (x,)),
        Layer(name, Upsample(2), (f"{name}_small",)),
    ],
    "shifted": lambda name, x: [
        Layer(f"{name}_padded", Pad((1, 0, 1, 0)), (x,)),
        Layer(name, Pad((0, -1, 0, -1)), (f"{name}_padded",)),
    ],
}
ENDS: dict[str, Callable[[str], list[Layer]]] = {
    "map": lambda _: [],
    "scores": lambda x: [
        Layer("vector", Flatten(), (x,)),
        Layer(
            "scores",
            Linear(torch.randn(5, C * SIDE**2, generator=torch.Generator().manual_seed(3)) * 0.1, torch.ones(5)),
            ("vector",),
        ),
    ],
    "yolo": lambda x: [
        Layer("raw", convolution(7, C, 14, 1, Activation.NONE), (x,)),
        Layer("head", Yolo(2, ((10.0, 14.0), (23.0, 27.0)), scale_x_y=1.05), ("raw",)),
    ],
    "region": lambda x: [
        Layer("fine", Reorg(2), (x,)),
        Layer("raw", convolution(8, 4 * C, 14, 1, Activation.NONE), ("fine",)),
        Layer("head", Region(2, ((1.0, 1.5), (2.0, 2.5))), ("raw",)),
    ],
}

one_step = st.tuples(
    st.sampled_from([*STEPS, *DETOURS]), st.integers(0, 9), st.sampled_from(list(Activation)), st.integers(0, 3)
)
graphs = st.builds(
    lambda first, steps, end: graph_of_steps(first, steps, end),
    st.sampled_from(list(Activation)),
    st.lists(one_step, min_size=1, max_size=5),
    st.sampled_from(sorted(ENDS)),
)


def graph_of_steps(first: Activation, steps: Sequence[ChosenStep], end: str) -> Graph:
    """Each step reads the last value, and where it takes two one before it."""
    layers = [Layer("first", convolution(0, 3, C, 3, first), (INPUT,))]
    maps = ["first"]
    for number, (kind, seed, activation, back) in enumerate(steps):
        name = f"step{number}"
        if kind in DETOURS:
            layers += DETOURS[kind](name, maps[-1])
        else:
            make, count = STEPS[kind]
            layers.append(Layer(name, make(seed, activation), (maps[-1], maps[-1 - back % len(maps)])[:count]))
        maps.append(name)
    layers += ENDS[end](maps[-1])
    return Graph((3, SIDE, SIDE), tuple(layers), (layers[-1].name,))


def pictures(count: int, seed: int = 0) -> Tensor:
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 4 - 2
    return torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")


def engine_of(graph: Graph, mode: Mode, float_layers: int = 0) -> Engine:
    """Calibrated on random pictures, unless all is float; every `float_layers`-th layer is kept in float."""
    plan: Plan = uniform_plan(graph, mode)
    if mode is Mode.FLOAT:
        return Engine(graph, plan, Calibration())
    if float_layers:
        kept = {layer.name for layer in graph.layers[::float_layers]}
        plan = {name: Precision.FLOAT if name in kept else precision for name, precision in plan.items()}
    return Engine(graph, plan, calibrate(graph.layers, observe(graph, torch.split(pictures(8), 1))).calibration)
