"""What changes a session, as values that can be written down and done again."""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.precision import Precision


@dataclass(frozen=True)
class Moved:
    """One stands at another layer."""

    layer: str


@dataclass(frozen=True)
class Edited:
    edit: Edit


@dataclass(frozen=True)
class Undone:
    """The last edit of the branch was taken back."""


@dataclass(frozen=True)
class Branched:
    """A branch was started, and one stands on it."""

    name: str


@dataclass(frozen=True)
class Switched:
    """One stands on another branch."""

    name: str


Event = Moved | Edited | Undone | Branched | Switched

_TENSOR_EDITS: dict[str, type[EditWeights] | type[EditCodes] | type[EditBias]] = {
    "weights": EditWeights,
    "codes": EditCodes,
    "bias": EditBias,
}
_TENSOR_KINDS = {kind: name for name, kind in _TENSOR_EDITS.items()}
_DTYPES = {"float32": torch.float32, "int64": torch.int64}


def event_to_json(event: Event) -> dict[str, Any]:
    """What JSON can hold."""
    match event:
        case Moved(layer):
            return {"moved": layer}
        case Edited(edit):
            return {"edited": _edit_to_json(edit)}
        case Undone():
            return {"undone": True}
        case Branched(name):
            return {"branched": name}
        case Switched(name):
            return {"switched": name}


def event_from_json(content: Any) -> Event:
    """The event again. Raises KeyError, TypeError or ValueError where it is not one."""
    ((kind, value),) = content.items()
    match kind:
        case "moved":
            return Moved(str(value))
        case "edited":
            return Edited(_edit_from_json(value))
        case "undone":
            return Undone()
        case "branched":
            return Branched(str(value))
        case "switched":
            return Switched(str(value))
    raise ValueError(f"no event {kind!r}")


def _edit_to_json(edit: Edit) -> dict[str, Any]:
    match edit:
        case EditWeights() | EditCodes() | EditBias():
            numbers = _tensor_to_json(edit.values)
            return {"kind": _TENSOR_KINDS[type(edit)], "layer": edit.layer, "place": edit.place, "values": numbers}
        case EditScale(layer, channel, scale):
            return {"kind": "scale", "layer": layer, "channel": channel, "scale": scale}
        case EditRange(value, low, high):
            return {"kind": "range", "layer": value, "low": low, "high": high}
        case EditPrecision(layer, precision):
            return {"kind": "precision", "layer": layer, "precision": precision.value}


def _edit_from_json(content: Any) -> Edit:
    layer = str(content["layer"])
    match content["kind"]:
        case "scale":
            return EditScale(layer, int(content["channel"]), float(content["scale"]))
        case "range":
            return EditRange(layer, float(content["low"]), float(content["high"]))
        case "precision":
            return EditPrecision(layer, Precision(content["precision"]))
        case kind:
            return _TENSOR_EDITS[kind](layer, _tensor_from_json(content["values"]), tuple(content["place"]))


def _tensor_to_json(values: Tensor) -> dict[str, Any]:
    dtype = "float32" if values.is_floating_point() else "int64"
    numbers = values.to(_DTYPES[dtype]).contiguous().numpy()
    return {"dtype": dtype, "shape": list(values.shape), "base64": b64encode(numbers.tobytes()).decode()}


def _tensor_from_json(content: Any) -> Tensor:
    numbers = np.frombuffer(b64decode(content["base64"]), content["dtype"]).copy()
    return torch.from_numpy(numbers).reshape(content["shape"])
