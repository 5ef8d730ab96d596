"""Layer by layer in the order they run, integer weights that meet float's outputs better than the nearest codes do."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from quant.affine import QParams, dequantise, quantise
from quant.calibration import Calibrated, decode_weights, run_decoded
from quant.engine import stored_formats
from quant.graph import INPUT, Graph, Layer
from quant.operations import Conv2d, Linear, Weighted
from quant.precision import Mode, Plan, Precision, supported_plan, takes_codes, uniform_plan
from quant.refinements import AdaRound, BiasCorrection, LayerSample, Refinement
from quant.refinements.base import grouped, grouped_product
from quant.scales import Calibration, IntegerWeights
from quant.statistics import decibels

MOST_WINDOWS = 4096
"""Of a layer, over all pictures."""
MOST_PICTURES, MOST_ELEMENTS = 32, 1 << 25
"""At once, and in the largest value of all of them: about a gigabyte with what else is still to be read."""
REFINEMENTS: tuple[Refinement, ...] = (AdaRound(), BiasCorrection())
LEAST_GAIN_DB = 0.2
"""A refinement that brings a layer less is left out."""


@dataclass(frozen=True)
class Refined:
    """What refining a layer brought: `names` of what was kept, `gain_db` in the error of its outputs."""

    names: tuple[str, ...]
    gain_db: float

    @property
    def words(self) -> str:
        return f"{' and '.join(self.names)} gain {self.gain_db:.1f} dB"


def reconstruct(
    graph: Graph,
    calibration: Calibration,
    pictures: Tensor,
    refinements: Sequence[Refinement],
    on_layer: Callable[[str], None] = lambda _: None,
    plan: Plan | None = None,
) -> tuple[Calibration, dict[str, Refined]]:
    """Run float and integers side by side, and refine each layer on what the integers before it leave.

    Args:
        pictures: [N, C, H, W]; all at once are in memory, with the values that are still to be read.
        refinements: in the order they are tried, each on top of those before.
        plan: what the layers before each run in; by default that of INT8.
    Returns:
        the calibration with other codes and biases, and of each layer that gained what helped.
    """
    plan = uniform_plan(graph, Mode.INT8) if plan is None else supported_plan(graph, plan)
    formats = stored_formats(graph, plan, calibration)
    weights, gains = dict(calibration.weights), dict[str, Refined]()
    floats, coded = {INPUT: pictures}, {INPUT: _coded(pictures, formats[INPUT])}
    readers_left = Counter(name for layer in graph.layers for name in layer.inputs)
    with torch.inference_mode():
        for layer in graph.layers:
            theirs = [floats[name] for name in layer.inputs]
            ours = _taken(layer, plan, calibration, [coded[name] for name in layer.inputs])
            floats[layer.name] = layer.operation.run(*theirs)
            if isinstance(layer.operation, Weighted) and plan[layer.name] is not Precision.FLOAT:
                sample = layer_sample(layer.operation, ours[0], theirs[0])
                integers, gain = _refine(sample, weights[layer.name], refinements)
                weights[layer.name] = integers
                if gain:
                    gains[layer.name] = gain
                on_layer(layer.name)
            coded[layer.name] = _coded(_run(layer, plan, weights, ours), formats[layer.name])
            for name in layer.inputs:
                readers_left[name] -= 1
                if not readers_left[name]:
                    del floats[name], coded[name]
    return replace(calibration, weights=weights), gains


def refined_for(graph: Graph, unrefined: Calibration, plan: Plan, pictures: Tensor) -> dict[str, IntegerWeights]:
    """The integer layers of a plan, refined as they are in it: for INT8 they make up for others that are float here.

    Args:
        unrefined: as it was calibrated.
        pictures: see `reconstruct`; those that `picture_count` allows.
    """
    calibration, gains = reconstruct(graph, unrefined, pictures, REFINEMENTS, plan=plan)
    return {name: calibration.weights[name] for name in gains}


def refine(
    graph: Graph, found: Calibrated, pictures: Tensor, on_layer: Callable[[str], None] = lambda _: None
) -> Calibrated:
    """What was calibrated, with every refinement where it helps; the choices' reasons name it.

    Args:
        pictures: see `reconstruct`; those that `picture_count` allows.
    """
    calibration, gains = reconstruct(graph, found.calibration, pictures, REFINEMENTS, on_layer)
    weights = {
        name: replace(choice, reason=f"{choice.reason}; {gains[name].words}") if name in gains else choice
        for name, choice in found.weights.items()
    }
    return replace(found, calibration=calibration, weights=weights)


def picture_count(graph: Graph) -> int:
    """How many pictures `reconstruct` takes in a bounded memory."""
    largest = max(math.prod(shape) for shape in graph.shapes.values())
    return min(MOST_PICTURES, max(1, MOST_ELEMENTS // largest))


def layer_sample(operation: Weighted, coded: Tensor, in_float: Tensor) -> LayerSample:
    """Windows evenly from all pictures: as the integer run has them, and float's outputs of the same places."""
    columns, same = (_windows(operation, x) for x in (coded, in_float))
    weight = grouped(operation.weight.flatten(1), len(columns))
    return LayerSample(operation, columns, grouped_product(same, weight) + operation.bias)


def _windows(operation: Weighted, x: Tensor) -> Tensor:
    """[G, S, d]: evenly taken windows of a layer's input."""
    if isinstance(operation, Linear):
        return x.reshape(1, -1, x.shape[-1])
    assert isinstance(operation, Conv2d)
    (kernel_h, kernel_w), (stride_h, stride_w) = operation.weight.shape[2:], operation.stride
    (pad_h, pad_w), (dilation_h, dilation_w) = operation.padding, operation.dilation
    padded = torch.nn.functional.pad(x, (pad_w, pad_w, pad_h, pad_h))
    views = padded.unfold(2, (kernel_h - 1) * dilation_h + 1, stride_h)
    views = views.unfold(3, (kernel_w - 1) * dilation_w + 1, stride_w)[..., ::dilation_h, ::dilation_w]
    N, C, rows, columns = views.shape[:4]
    taken = torch.linspace(0, rows * columns - 1, min(rows * columns, max(1, MOST_WINDOWS // N))).round().long()
    windows = views[:, :, taken // columns, taken % columns]  # [N, C, P, kh, kw]
    groups = operation.groups
    return (
        windows.reshape(N, groups, C // groups, len(taken), kernel_h, kernel_w)
        .permute(1, 0, 3, 2, 4, 5)
        .reshape(groups, N * len(taken), -1)
    )


def _refine(
    sample: LayerSample, integers: IntegerWeights, refinements: Sequence[Refinement]
) -> tuple[IntegerWeights, Refined | None]:
    """Keep of the refinements, each on top of those before, what brings the outputs closer."""
    first = before = sample.error(integers)
    names = list[str]()
    for refinement in refinements:
        tried = refinement.refine(sample, integers)
        error = sample.error(tried)
        if error < before * 10 ** (-LEAST_GAIN_DB / 10):
            integers, before = tried, error
            names.append(refinement.name)
    if not names:
        return integers, None
    return integers, Refined(tuple(names), decibels(first, before))


def _coded(value: Tensor, qparams: QParams | None) -> Tensor:
    return value if qparams is None else dequantise(quantise(value, qparams), qparams)


def _taken(layer: Layer, plan: Plan, calibration: Calibration, inputs: Sequence[Tensor]) -> list[Tensor]:
    """A layer's inputs as it takes them: an integer kernel codes what is stored as float, a residual excepted."""
    if plan[layer.name] is Precision.FLOAT:
        return list(inputs)
    first_only = isinstance(layer.operation, Weighted)
    return [
        _coded(value, calibration.of_value(name))
        if takes_codes(layer.operation, position) and not (first_only and position)
        else value
        for position, (name, value) in enumerate(zip(layer.inputs, inputs, strict=True))
    ]


def _run(layer: Layer, plan: Plan, weights: Mapping[str, IntegerWeights], inputs: Sequence[Tensor]) -> Tensor:
    """The layer's value before it is coded, as the engine has it but for float32's rounding."""
    operation = layer.operation
    if isinstance(operation, Weighted) and plan[layer.name] is not Precision.FLOAT:
        integers = weights[layer.name]
        return run_decoded(operation, decode_weights(integers), integers, *inputs)
    return operation.run(*inputs)
