"""A tensor of a layer as bytes, whole or in part: what callers read in pieces."""

from math import prod
from typing import NamedTuple

from services.edge.errors import InvalidInput
from services.workbench.layer_card import TensorPart
from services.workbench.session import Session


class TensorBytes(NamedTuple):
    """`data` holds some elements, row-major and little-endian, of a tensor of `shape`."""

    shape: tuple[int, ...]
    dtype: str
    data: bytes


def read_tensor(session: Session, layer: str | None, part: TensorPart, first: int = 0, count: int = 0) -> TensorBytes:
    """Read `count` elements from `first` on; 0 is all that follow.

    Raises:
        FailedPrecondition, LayerNotFound, TensorNotFound: see `Session.tensor`.
        InvalidInput: beyond the tensor's end.
    """
    tensor = session.tensor(part, layer)
    size = prod(tensor.shape)
    if first + count > size or first >= size:
        raise InvalidInput(f"elements {first} to {first + max(count, 1) - 1} of {size}: beyond the tensor's end")
    flat = tensor.contiguous().reshape(-1)[first : first + count if count else None]
    return TensorBytes(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), flat.numpy().tobytes())
