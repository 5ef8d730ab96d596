"""From the words of `edit` and `show` to an edit of the layer one stands at, or a place in its tensors."""

import torch

from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.errors import QuantError
from quant.precision import Precision
from services.edge.errors import InvalidInput
from services.workbench.layer_card import TensorPart

EDITS = ("weights", "codes", "bias", "scale", "range", "precision")


def read_edit(words: list[str], layer: str) -> Edit:
    """Read one edit. Raises InvalidInput: no such edit, or not the numbers that it takes."""
    try:
        match words:
            case ["weights" | "codes" | "bias", _]:
                raise InvalidInput(f"edit {' '.join(words)}: no VALUE follows the place; see `help edit`")
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


def read_place(words: list[str]) -> tuple[TensorPart, tuple[int, ...]]:
    """Read which tensor of a layer, and a place in it. Raises InvalidInput."""
    if not 1 <= len(words) <= 2 or words[0] not in set(TensorPart):
        raise InvalidInput(f"show {' '.join(words)}: show one of {', '.join(TensorPart)}, and a place in it if need be")
    try:
        place = _place(words[1]) if words[1:] else ()
    except ValueError as error:
        raise InvalidInput(f"show {' '.join(words)}: a place is `all`, or indices as 3 or 3,0,1,1") from error
    return TensorPart(words[0]), place


def _place(text: str) -> tuple[int, ...]:
    return () if text == "all" else tuple(map(int, text.split(",")))


def _read_tensor_edit(layer: str, kind: str, place: str, values: list[str]) -> Edit:
    at = _place(place)
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
