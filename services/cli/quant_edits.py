"""From the words of `edit` to an edit of the layer one stands at."""

import torch
from torch import Tensor

from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.errors import QuantError
from quant.graph import Graph
from quant.operations import Weighted
from quant.precision import Precision
from services.edge.errors import InvalidInput

EDITS = ("weights", "codes", "bias", "scale", "range", "precision")


def read_edit(words: list[str], layer: str, graph: Graph) -> Edit:
    """Read one edit. Raises InvalidInput: no such edit, or not the numbers that it takes."""
    try:
        match words:
            case ["weights" | "codes" | "bias" as kind, place, *values]:
                return _read_tensor_edit(layer, graph, kind, place, values)
            case ["scale", channel, scale]:
                return EditScale(layer, int(channel), float(scale))
            case ["range", low, high]:
                return EditRange(layer, float(low), float(high))
            case ["precision", precision]:
                if precision not in set(Precision):
                    raise InvalidInput(f"edit precision: {precision!r} is none of {', '.join(Precision)}")
                return EditPrecision(layer, Precision(precision))
    except ValueError as error:
        if isinstance(error, QuantError):
            raise
        raise InvalidInput(f"edit {' '.join(words)}: {error}; see `help edit`") from error
    raise InvalidInput(f"edit {' '.join(words)}: no such edit; see `help edit`")


def _read_tensor_edit(layer: str, graph: Graph, kind: str, place: str, values: list[str]) -> Edit:
    at = () if place == "all" else tuple(map(int, place.split(",")))
    try:
        numbers = torch.tensor([int(value) if kind == "codes" else float(value) for value in values])
    except RuntimeError as error:
        raise InvalidInput(f"edit {kind}: {error}; see `help edit`") from error  # beyond 64 bits
    kinds: dict[str, type[EditWeights] | type[EditCodes] | type[EditBias]] = {
        "weights": EditWeights,
        "codes": EditCodes,
        "bias": EditBias,
    }
    return kinds[kind](layer, numbers[0] if len(values) == 1 else _shaped(layer, graph, kind, at, numbers), at)


def _shaped(layer: str, graph: Graph, kind: str, at: tuple[int, ...], numbers: Tensor) -> Tensor:
    """The numbers in the shape of the place, where they fill it; the edit itself refuses all others."""
    operation = graph.layer(layer).operation
    if isinstance(operation, Weighted):
        shape = (operation.bias if kind == "bias" else operation.weight).shape[len(at) :]
        if shape.numel() == len(numbers):
            return numbers.reshape(shape)
    return numbers
