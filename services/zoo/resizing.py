"""Resizing bytes as torchvision does it on a processor with AVX2, to the last bit, in numpy: torch is 300 MB.

Each axis by itself, the horizontal one first: an output is the sum of its inputs' bytes times weights that are whole
numbers, which antialiasing spreads over as many inputs as one output covers; it is shifted right and cut to a byte.

Source: PyTorch, aten/src/ATen/native/cpu/UpSampleKernel.cpp, `compute_index_ranges_int16_weights`, after Pillow-SIMD.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.floating]

_OUTPUTS = 16
"""Outputs computed by one product: their inputs lie close together, so that few of the factors are zero."""
_ROWS = 128
"""Rows of a picture that are floats at a time."""
_MOST_BITS = 22
_INT16 = 2**15
_EXACT_FLOAT32 = 2**24
"""Whole numbers up to here are float32 numbers too."""


@dataclass(frozen=True)
class _Kernel:
    """An interpolation: the weight of an input at a distance, which is 0 from `reach` on."""

    reach: int
    weight: Callable[[Floats], Floats]


@dataclass(frozen=True)
class _Neighbours:
    """Neighbouring outputs: their inputs from `begin` to `end`, and the whole-numbered weights, [inputs, outputs]."""

    begin: int
    end: int
    weights: Floats


@dataclass(frozen=True)
class _Axis:
    """One axis: the weights' unit is 2 to the power of -`bits`."""

    blocks: tuple[_Neighbours, ...]
    bits: int

    @property
    def inputs(self) -> slice:
        """From the first to the last that an output is made of."""
        return slice(self.blocks[0].begin, self.blocks[-1].end)

    def to_bytes(self, sums: Floats) -> Bytes:
        """Round sums of bytes times weights, in place; they are whole numbers, and exact."""
        sums += 2.0 ** (self.bits - 1)
        sums *= 2.0**-self.bits
        return np.clip(sums, 0, 255, out=sums).astype(np.uint8)


def resize(picture: Bytes, size: tuple[int, int], part: tuple[slice, slice], interpolation: str) -> Bytes:
    """Resize a picture, and compute of the result no more than a part.

    Args:
        picture: [C, H, W].
        size: (H, W) of the whole result.
        part: the rows and columns wanted of it, each `slice(begin, end)`.
        interpolation: nearest, bilinear or bicubic; the latter two antialiased.
    """
    if interpolation == "nearest":
        indices = [_nearest(old, new) for old, new in zip(picture.shape[1:], size, strict=True)]
        return picture[:, indices[0][part[0]][:, None], indices[1][part[1]][None, :]]
    (old_height, old_width), (height, width), (rows, columns) = picture.shape[1:], size, part
    down = None if old_height == height else _axis(old_height, height, rows.start, rows.stop, interpolation)
    read = rows if down is None else down.inputs
    picture = picture[:, read]
    picture = (
        picture[:, :, columns]
        if old_width == width
        else _across(picture, _axis(old_width, width, columns.start, columns.stop, interpolation))
    )
    return picture if down is None else _down(picture, down)


def _across(picture: Bytes, axis: _Axis) -> Bytes:
    made = np.empty((*picture.shape[:2], sum(block.weights.shape[1] for block in axis.blocks)), np.uint8)
    first = axis.inputs.start
    for top in range(0, picture.shape[1], _ROWS):
        # In planes, one after the other: BLAS takes no pixels, and would be given a copy for each block.
        rows = picture[:, top : top + _ROWS, axis.inputs].astype(axis.blocks[0].weights.dtype, order="C")
        sums = [rows[:, :, block.begin - first : block.end - first] @ block.weights for block in axis.blocks]
        made[:, top : top + _ROWS] = axis.to_bytes(np.concatenate(sums, axis=2))
    return made


def _down(picture: Bytes, axis: _Axis) -> Bytes:
    """Of a picture cut to the axis' inputs."""
    first = axis.inputs.start
    sums = [
        block.weights.T @ picture[:, block.begin - first : block.end - first].astype(block.weights.dtype)
        for block in axis.blocks
    ]
    return axis.to_bytes(np.concatenate(sums, axis=1))


def _nearest(old: int, new: int) -> NDArray[np.int64]:
    scale = np.float32(old) / np.float32(new)
    return np.minimum((np.arange(new, dtype=np.float32) * scale).astype(np.int64), old - 1)


@lru_cache(maxsize=64)
def _axis(old: int, new: int, begin: int, end: int, interpolation: str) -> _Axis:
    kernel = _KERNELS[interpolation]
    scale = old / new
    spread = max(scale, 1.0)
    support = kernel.reach * spread
    centers = scale * (np.arange(new) + 0.5)
    firsts = np.maximum((centers - support + 0.5).astype(np.int64), 0)
    counts = np.minimum((centers + support + 0.5).astype(np.int64), old) - firsts
    places = np.arange(int(counts.max()))
    weights = kernel.weight((places + firsts[:, None] - centers[:, None] + 0.5) * (1.0 / spread))
    weights = np.where(places < counts[:, None], weights, 0.0)
    weights /= np.cumsum(weights, axis=1)[:, -1:]  # summed in their order
    bits = _bits(float(weights.max()))
    scaled = weights * 2.0**bits
    whole = np.trunc(scaled + np.where(scaled < 0, -0.5, 0.5))
    if 255 * np.abs(whole).sum(axis=1).max() + 2.0**bits < _EXACT_FLOAT32:
        whole = whole.astype(np.float32)
    starts = range(begin, end, _OUTPUTS)
    blocks = tuple(_block(firsts, counts, whole, start, min(start + _OUTPUTS, end)) for start in starts)
    return _Axis(blocks, bits)


def _bits(largest: float) -> int:
    """How many bits of a fraction fit beside the largest weight in 16 bits with a sign."""
    for bits in range(_MOST_BITS):
        if int(0.5 + largest * 2.0 ** (bits + 1)) >= _INT16:
            return bits
    return _MOST_BITS


def _block(firsts: NDArray[np.int64], counts: NDArray[np.int64], whole: Floats, start: int, stop: int) -> _Neighbours:
    begin = int(firsts[start:stop].min())
    end = int((firsts + counts)[start:stop].max())
    weights = np.zeros((end - begin, stop - start), whole.dtype)
    for output in range(start, stop):
        first, count = int(firsts[output]) - begin, int(counts[output])
        weights[first : first + count, output - start] = whole[output, :count]
    return _Neighbours(begin, end, weights)


def _triangle(distance: Floats) -> Floats:
    return np.maximum(1.0 - np.abs(distance), 0.0)


def _cubic(distance: Floats) -> Floats:
    """Keys' cubic convolution with a = -0.5, as torch's antialiasing has it."""
    a, x = -0.5, np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


_KERNELS = {"bilinear": _Kernel(1, _triangle), "bicubic": _Kernel(2, _cubic)}
