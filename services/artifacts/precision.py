"""How the values of an activation are written: float32, float16, or int8 with each picture's range."""

from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.artifacts.frames import Piece
from services.edge.errors import Unsupported

Values: TypeAlias = NDArray[np.float32]

_FLOAT32, _FLOAT16 = np.dtype("<f4"), np.dtype("<f2")
_STEPS = 255


class Encoding(StrEnum):
    """What one value takes: 4, 2 or 1 bytes."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


def encode(values: Values, precision: Encoding) -> Piece:
    """Write values [N, ...], N > 0; float32 is a view of them.

    int8 spreads 256 codes evenly from each picture's lowest value to its highest.

    Raises:
        Unsupported: a value that is not finite, or over what float16 holds.
    """
    if precision is Encoding.FLOAT32:
        return np.ascontiguousarray(values, _FLOAT32).data.cast("B")
    if precision is Encoding.FLOAT16:
        with np.errstate(over="ignore"):
            halves: NDArray[np.float16] = np.ascontiguousarray(values, _FLOAT16)
        _check(halves, values, precision)
        return halves.tobytes()
    _check(values, values, precision)
    flat = values.reshape(len(values), -1).astype(np.float64)
    lowest = flat.min(axis=1).astype(_FLOAT32)
    scale = ((flat.max(axis=1) - lowest) / _STEPS).astype(_FLOAT32)
    steps = np.where(scale > 0, scale, 1).astype(np.float64)[:, None]
    codes: NDArray[np.float64] = np.clip(np.rint((flat - lowest[:, None]) / steps), 0, _STEPS) - 128
    ranges: NDArray[np.float32] = np.stack([scale, lowest], axis=1)
    return ranges.tobytes() + codes.astype(np.int8).tobytes()


def decode(content: Piece, shape: tuple[int, ...], precision: Encoding) -> Values:
    """Read values [N, *shape]. Raises ValueError: `content` is no whole number of pictures."""
    if precision is Encoding.FLOAT32:
        return np.frombuffer(content, _FLOAT32).reshape(-1, *shape)
    if precision is Encoding.FLOAT16:
        return np.frombuffer(content, _FLOAT16).reshape(-1, *shape).astype(np.float32)
    each_bytes = 2 * _FLOAT32.itemsize + int(np.prod(shape))
    count, rest = divmod(len(content), each_bytes)
    if rest:
        raise ValueError(f"{len(content)} bytes are no whole number of pictures of {each_bytes}")
    ranges = np.frombuffer(content, _FLOAT32, 2 * count).reshape(count, 2)
    codes = np.frombuffer(content, np.int8, offset=ranges.nbytes).reshape(count, -1).astype(np.float32)
    values: Values = ranges[:, 1:] + ranges[:, :1] * (codes + np.float32(128))
    return values.reshape(count, *shape)


def _check(written: NDArray[np.floating], values: Values, precision: Encoding) -> None:
    if np.isfinite(written).all():
        return
    largest = np.abs(values[np.isfinite(values)]).max(initial=0)
    what = f"reach {largest:g}" if np.isfinite(values).all() else "are not all finite"
    raise Unsupported(f"its values {what}, which {precision} does not hold; use another precision, such as float32")
