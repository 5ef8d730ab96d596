"""From the words of `edit` to an edit of the layer one stands at."""

import torch

from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.errors import QuantError
from quant.precision import Precision
from services.edge.errors import InvalidInput

EDITS = ("weights", "codes", "bias", "scale", "range", "precision")


def read_edit(words: list[str], layer: str) -> Edit:
    """Read one edit. Raises InvalidInput: no such edit, or not the numbers that it takes."""
    try:
        match words:
            case ["weights" | "codes" | "bias" as kind, place, *values]:
                return _read_tensor_edit(layer, kind, place, values)
            case ["scale", channel, scale]:
                return EditScale(layer, int(channel), float(scale))
            case ["range", low, high]:
                return EditRange(layer, float(low), float(high))
            case ["precision", precision]:
                if precision not in set(Precision):
                    raise InvalidInput(f"edit precision: {precision!r} is not one of {', '.join(Precision)}")
                return EditPrecision(layer, Precision(precision))
    except ValueError as error:
        if isinstance(error, QuantError):
            raise
        raise InvalidInput(f"edit {' '.join(words)}: {error}; see `help edit`") from error
    raise InvalidInput(f"edit {' '.join(words)}: no such edit; see `help edit`")


def _read_tensor_edit(layer: str, kind: str, place: str, values: list[str]) -> Edit:
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
    return kinds[kind](layer, numbers, at)
