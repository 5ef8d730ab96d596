"""A named tensor as the Open Inference Protocol carries it, and its bytes.

Raw form: little-endian, row-major; each element of a BYTES tensor is its length as a uint32, then its bytes.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import BatchTooLarge, DtypeMismatch, ShapeMismatch

BYTES = "BYTES"
DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    **{f"UINT{bits}": np.dtype(f"<u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"<i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}

MAX_AXES = 64
"""As many as numpy has."""

MAX_ELEMENTS = 2**16
"""Of a BYTES tensor: each is a picture, and a request for millions of empty ones must not keep the process busy."""


@dataclass(frozen=True, eq=False)
class Tensor:
    """`values` has shape `shape`; of a BYTES tensor it is the flat list of its elements, in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: NDArray[Any] | list[bytes]

    @classmethod
    def of(cls, name: str, values: NDArray[Any]) -> "Tensor":
        """Name an array."""
        return cls(name, _NAMES[values.dtype.newbyteorder("<")], values.shape, values)

    @classmethod
    def from_raw(cls, name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> "Tensor":
        """Look at `raw` as a tensor; numbers are not copied.

        Raises:
            DtypeMismatch: no such datatype.
            ShapeMismatch: the bytes are more or fewer than the shape needs, or no array has that shape.
            BatchTooLarge: more than `MAX_ELEMENTS` of BYTES.
        """
        if datatype == BYTES:
            return cls.from_elements(name, shape, _split(name, raw, _count_elements(name, shape)))
        dtype = dtype_of(name, datatype)
        needed_bytes = _count(name, shape) * dtype.itemsize
        if len(raw) != needed_bytes:
            raise ShapeMismatch(
                f"tensor '{name}': {len(raw)} bytes, but shape {list(shape)} of {datatype} takes {needed_bytes}"
            )
        return cls(name, datatype, tuple(shape), _reshaped(name, np.frombuffer(raw, dtype), shape))

    @classmethod
    def from_numbers(cls, name: str, datatype: str, shape: Sequence[int], numbers: Any) -> "Tensor":
        """Take numbers from a sequence, nested or flat.

        Raises:
            DtypeMismatch: no such datatype, or a value that does not fit it.
            ShapeMismatch: the values are more or fewer than the shape needs, or nested unevenly, or no array has that
                shape.
        """
        dtype = dtype_of(name, datatype)
        try:
            values = np.asarray(numbers, dtype)
        except OverflowError as error:
            raise DtypeMismatch(f"tensor '{name}': a value does not fit {datatype}: {error}") from error
        except (ValueError, TypeError) as error:
            raise ShapeMismatch(f"tensor '{name}': the data is not an array of {datatype}: {error}") from error
        if values.size != _count(name, shape):
            raise ShapeMismatch(
                f"tensor '{name}': {values.size} values, but shape {list(shape)} takes {_count(name, shape)}"
            )
        return cls(name, datatype, tuple(shape), _reshaped(name, values, shape))

    @classmethod
    def from_elements(cls, name: str, shape: Sequence[int], elements: list[bytes]) -> "Tensor":
        """Take the elements of a BYTES tensor.

        Raises:
            ShapeMismatch: the elements are more or fewer than the shape needs.
            BatchTooLarge: more than `MAX_ELEMENTS`.
        """
        needed = _count_elements(name, shape)
        if len(elements) != needed:
            raise ShapeMismatch(f"tensor '{name}': {len(elements)} elements, but shape {list(shape)} takes {needed}")
        return cls(name, BYTES, tuple(shape), elements)

    def to_raw(self) -> bytes:
        """Write the raw form."""
        if isinstance(self.values, list):
            return b"".join(struct.pack("<I", len(element)) + element for element in self.values)
        return np.ascontiguousarray(self.values, DTYPES[self.datatype]).tobytes()


def check_nesting(name: str, data: Sequence[Any], shape: Sequence[int]) -> None:
    """Hold the lengths of nested lists against the shape: data are flat, or nested as the shape says.

    Raises:
        ShapeMismatch: they contradict each other.
    """
    if not any(isinstance(each, list) for each in data):
        return
    level: list[Any] = [data]
    for axis, length in enumerate(shape):
        for each in level:
            if not isinstance(each, list) or len(each) != length:
                found = f"{len(each)} long" if isinstance(each, list) else "not a list"
                raise ShapeMismatch(
                    f"tensor '{name}': a list of axis {axis} is {found}, but shape {list(shape)} says {length}; nest "
                    "the data as the shape says, or send them flat"
                )
        level = [element for each in level for element in each]
    if any(isinstance(each, list) for each in level):
        raise ShapeMismatch(f"tensor '{name}': the data are nested deeper than shape {list(shape)}")


def dtype_of(name: str, datatype: str) -> np.dtype[Any]:
    """Find the numpy form of a datatype of numbers.

    Raises:
        DtypeMismatch: no such datatype.
    """
    if datatype not in DTYPES:
        raise DtypeMismatch(f"tensor '{name}': datatype '{datatype}' is not one of {', '.join([*DTYPES, BYTES])}")
    return DTYPES[datatype]


def _count(name: str, shape: Sequence[int]) -> int:
    if len(shape) > MAX_AXES:
        raise ShapeMismatch(f"tensor '{name}': a shape of {len(shape)} axes; it has at most {MAX_AXES}")
    if not all(0 <= length < 2**63 for length in shape):
        raise ShapeMismatch(f"tensor '{name}': shape {list(shape)} has an axis that is negative or beyond 64 bits")
    return math.prod(shape)


def _count_elements(name: str, shape: Sequence[int]) -> int:
    needed = _count(name, shape)
    if needed > MAX_ELEMENTS:
        raise BatchTooLarge(f"tensor '{name}': {needed} elements of {BYTES} in one tensor; at most {MAX_ELEMENTS}")
    return needed


def _reshaped(name: str, values: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Reshape values of the right number: those of an empty array fit shapes that no array can have."""
    try:
        return values.reshape(tuple(shape))
    except ValueError as error:
        raise ShapeMismatch(f"tensor '{name}': no array has shape {list(shape)}: {error}") from error


def _split(name: str, raw: bytes | memoryview, needed: int) -> list[bytes]:
    elements: list[bytes] = []
    offset = 0
    while offset < len(raw):
        if len(elements) == needed:
            raise ShapeMismatch(f"tensor '{name}': more than the {needed} elements that its shape takes")
        if offset + 4 > len(raw):
            raise ShapeMismatch(f"tensor '{name}': cut short in the length of element {len(elements)}")
        (size_bytes,) = struct.unpack_from("<I", raw, offset)
        start, offset = offset + 4, offset + 4 + size_bytes
        if offset > len(raw):
            raise ShapeMismatch(f"tensor '{name}': cut short in element {len(elements)}")
        elements.append(bytes(raw[start:offset]))
    return elements
