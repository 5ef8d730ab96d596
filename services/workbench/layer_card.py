"""What a layer is made of: its parameters, and its weights, biases and codes in figures."""

from dataclasses import dataclass, fields
from enum import Enum, StrEnum

import torch
from torch import Tensor

from quant.layer_info import LayerInfo
from quant.operations import Conv2d, Weighted
from quant.statistics import Statistics, describe
from quant.variant import Variant


class TensorPart(StrEnum):
    """Which of a layer's tensors."""

    VALUE = "value"
    SUMS = "sums"
    WEIGHTS = "weights"
    BIAS = "bias"
    CODES = "codes"
    SCALES = "scales"


BINS = 64
_CODE_BINS, _CODE_REACH = 255, 127.5


@dataclass(frozen=True, eq=False)
class TensorFigures:
    """One tensor of a layer; `edges` [B + 1] and `counts` [B] are its histogram."""

    shape: tuple[int, ...]
    statistics: Statistics
    edges: Tensor
    counts: Tensor


@dataclass(frozen=True, eq=False)
class LayerCard:
    """One layer.

    Attributes:
        parameters: what it is made with beside tensors, such as kernel, stride and activation, in words.
        weights, bias: None where it has none.
        codes, scales: of a calibrated layer with weights: int8 codes, and the scale of each output channel.
    """

    info: LayerInfo
    parameters: dict[str, str]
    weights: TensorFigures | None = None
    bias: TensorFigures | None = None
    codes: TensorFigures | None = None
    scales: TensorFigures | None = None


def describe_card(variant: Variant, info: LayerInfo) -> LayerCard:
    """Describe one layer of a model."""
    operation = variant.graph.layer(info.layer).operation
    values = {part.name: getattr(operation, part.name) for part in fields(operation)}
    if isinstance(operation, Conv2d):
        values = {"kernel": tuple(operation.weight.shape[2:]), **values}
    parameters = {name: _in_words(value) for name, value in values.items() if not isinstance(value, Tensor)}
    if not isinstance(operation, Weighted):
        return LayerCard(info, parameters)
    integers = variant.calibration.weights.get(info.layer)
    return LayerCard(
        info,
        parameters,
        _figures(operation.weight),
        _figures(operation.bias),
        _code_figures(integers.codes) if integers else None,
        _figures(integers.scale) if integers else None,
    )


def tensor_of(variant: Variant, layer: str, part: TensorPart) -> Tensor | None:
    """A layer's WEIGHTS or BIAS, float32, its int8 CODES or float32 SCALES; None where it has none.

    Raises:
        LayerNotFound: no layer of that name.
    """
    operation = variant.graph.layer(layer).operation
    if not isinstance(operation, Weighted):
        return None
    integers = variant.calibration.weights.get(layer)
    match part:
        case TensorPart.WEIGHTS:
            return operation.weight
        case TensorPart.BIAS:
            return operation.bias
        case TensorPart.CODES:
            return integers.codes if integers else None
        case TensorPart.SCALES:
            return integers.scale if integers else None
    raise ValueError(f"{part} is made by running")


def _figures(tensor: Tensor) -> TensorFigures:
    low, high = (float(end) for end in torch.aminmax(tensor))
    high = high if high > low else low + 1.0
    counts = torch.histc(tensor.float(), BINS, low, high)
    return TensorFigures(tuple(tensor.shape), describe(tensor), torch.linspace(low, high, BINS + 1), counts)


def _code_figures(codes: Tensor) -> TensorFigures:
    values = codes.float()
    counts = torch.histc(values, _CODE_BINS, -_CODE_REACH, _CODE_REACH)
    edges = torch.linspace(-_CODE_REACH, _CODE_REACH, _CODE_BINS + 1)
    return TensorFigures(tuple(codes.shape), describe(values), edges, counts)


def _in_words(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        between = " x " if len(value) == 2 else ", "
        return between.join(map(_in_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
