"""A tensor of a layer as bytes, whole or in part: what callers read in pieces."""

from enum import StrEnum
from math import prod
from typing import NamedTuple

from torch import Tensor

from services.edge.errors import InvalidInput, Unsupported
from services.workbench.layer_card import tensor_of
from services.workbench.session import Session


class TensorPart(StrEnum):
    """Which of a layer's tensors."""

    VALUE = "value"
    SUMS = "sums"
    WEIGHTS = "weights"
    BIAS = "bias"
    CODES = "codes"
    SCALES = "scales"


class TensorBytes(NamedTuple):
    """`data` holds some elements, row-major and little-endian, of a tensor of `shape`."""

    shape: tuple[int, ...]
    dtype: str
    data: bytes


def read_tensor(session: Session, layer: str | None, part: TensorPart, first: int = 0, count: int = 0) -> TensorBytes:
    """Read `count` elements from `first` on; 0 is all that follow.

    Raises:
        FailedPrecondition, LayerNotFound: see `Session`.
        Unsupported: the layer has no such tensor.
        InvalidInput: beyond the tensor's end.
    """
    tensor = _tensor(session, layer, part)
    size = prod(tensor.shape)
    if first + count > size or first >= size:
        raise InvalidInput(f"elements {first} to {first + max(count, 1) - 1} of {size}: beyond the tensor's end")
    flat = tensor.contiguous().reshape(-1)[first : first + count if count else None]
    return TensorBytes(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), flat.numpy().tobytes())


def _tensor(session: Session, layer: str | None, part: TensorPart) -> Tensor:
    match part:
        case TensorPart.VALUE:
            return session.value(layer)
        case TensorPart.SUMS:
            return session.sums(layer)
    name = session.info(layer).layer
    found = tensor_of(session.variant, name, part)
    if found is None:
        raise Unsupported(f"layer {name!r} has no {part.value} here")
    return found
