"""Darknet's `.weights`: a header, then of each convolution its biases, batch normalisation and weights, all float32.

Source: load_weights_upto and save_weights_upto in src/parser.c, github.com/pjreddie/darknet.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import InvalidWeights
from services.zoo.darknet.structure import Convolutional, DarknetLayer, Network

Floats = NDArray[np.float32]

_VERSION = struct.Struct("<iii")
_FLOAT = np.dtype("<f4")


@dataclass(frozen=True)
class WeightsHeader:
    """The version that wrote the file, and `seen`: how many pictures the network was trained on."""

    major: int = 0
    minor: int = 2
    revision: int = 0
    seen: int = 0

    @property
    def seen_format(self) -> struct.Struct:
        """The counter has 64 bits since version 0.2; anything beyond 1000 is an old file's noise and means 32 bits."""
        wide = self.major * 10 + self.minor >= 2 and self.major < 1000 and self.minor < 1000
        return struct.Struct("<Q" if wide else "<i")


@dataclass(frozen=True, eq=False)
class Normalization:
    """Batch normalisation: scale * (x - mean) / (sqrt(variance) + 1e-6); all [O], variance >= 0."""

    scales: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, eq=False)
class ConvolutionWeights:
    """biases [O], added last; weights [O, I / groups, size, size]; all finite."""

    biases: Floats
    normalization: Normalization | None
    weights: Floats


@dataclass(frozen=True, eq=False)
class Weights:
    """`convolutions` maps a layer's index to its weights."""

    header: WeightsHeader
    convolutions: Mapping[int, ConvolutionWeights]


def read_weights(path: Path, network: Network) -> Weights:
    """Map a weights file into memory; arrays are read-only views of it, and nothing is copied.

    Raises:
        InvalidWeights: the file is shorter or longer than the network needs, a value is NaN or infinite, a variance is
            negative; or there is no such file.
    """
    try:
        if path.stat().st_size == 0:
            raise InvalidWeights(f"{path.name}: the file is empty")
        content = np.memmap(path, np.uint8, "r")
    except OSError as error:
        raise InvalidWeights(f"{path}: cannot be read ({error.strerror})") from None
    return parse_weights(content, network, path.name)


def parse_weights(content: bytes | NDArray[np.uint8], network: Network, file: str = "weights") -> Weights:
    """Read weights out of bytes; see `read_weights`."""
    header, start = _read_header(bytes(content[:20]), file, len(content))
    expected = start + _FLOAT.itemsize * sum(_count(operation) for _, operation in _convolutions(network))
    if len(content) != expected:
        fault = "too short" if len(content) < expected else "too long"
        raise InvalidWeights(
            f"{file}: {fault} for this network; expected {expected} bytes, found {len(content)}. "
            "Is it another network's, or was its download cut off?"
        )
    floats = np.frombuffer(content, _FLOAT, offset=start)
    convolutions = {}
    for layer, operation in _convolutions(network):
        count = _count(operation)
        convolutions[layer.index] = _take(floats[:count], operation)
        _check(convolutions[layer.index], f"{file}, {layer.name}")
        floats = floats[count:]
    return Weights(header, convolutions)


def write_weights(stream: BinaryIO, network: Network, weights: Weights) -> None:
    """Write what `read_weights` and Darknet read; what was read is written back byte for byte.

    Raises:
        InvalidWeights: weights are missing, have another shape than the network's, or are not finite; nothing is
            written then.
    """
    arrays: list[Floats] = []
    for layer, operation in _convolutions(network):
        if layer.index not in weights.convolutions:
            raise InvalidWeights(f"{layer.name}: there are no weights for it")
        convolution = weights.convolutions[layer.index]
        parts = list(_parts(convolution))
        found, expected = [part.shape for part in parts], _shapes(operation)
        if found != expected:
            raise InvalidWeights(f"{layer.name}: arrays are {found}, the network has {expected}")
        _check(convolution, layer.name)
        arrays += parts
    header = weights.header
    stream.write(_VERSION.pack(header.major, header.minor, header.revision) + header.seen_format.pack(header.seen))
    for array in arrays:
        stream.write(np.ascontiguousarray(array, _FLOAT).data)


def _read_header(beginning: bytes, file: str, size_bytes: int) -> tuple[WeightsHeader, int]:
    if len(beginning) >= _VERSION.size:
        version = WeightsHeader(*_VERSION.unpack_from(beginning))
        end = _VERSION.size + version.seen_format.size
        if len(beginning) >= end:
            (seen,) = version.seen_format.unpack_from(beginning, _VERSION.size)
            return WeightsHeader(version.major, version.minor, version.revision, seen), end
    raise InvalidWeights(f"{file}: too short for its header; expected 16 bytes at least, found {size_bytes}")


def _convolutions(network: Network) -> Iterator[tuple[DarknetLayer, Convolutional]]:
    for layer in network.layers:
        if isinstance(layer.operation, Convolutional):
            yield layer, layer.operation


def _shapes(operation: Convolutional) -> list[tuple[int, ...]]:
    """The arrays in the order of the file: biases; scales, mean, variance; weights."""
    vectors = 4 if operation.batch_normalize else 1
    return [(operation.filters,)] * vectors + [operation.weight_shape]


def _count(operation: Convolutional) -> int:
    out_channels, in_channels, height, width = operation.weight_shape
    return operation.filters * (len(_shapes(operation)) - 1) + out_channels * in_channels * height * width


def _take(floats: Floats, operation: Convolutional) -> ConvolutionWeights:
    *shapes, weight_shape = _shapes(operation)
    biases, *rest = floats[: len(shapes) * operation.filters].reshape(len(shapes), operation.filters)
    normalization = Normalization(*rest) if rest else None
    return ConvolutionWeights(biases, normalization, floats[len(shapes) * operation.filters :].reshape(weight_shape))


def _parts(convolution: ConvolutionWeights) -> Iterator[Floats]:
    yield convolution.biases
    if convolution.normalization is not None:
        yield convolution.normalization.scales
        yield convolution.normalization.mean
        yield convolution.normalization.variance
    yield convolution.weights


def _check(convolution: ConvolutionWeights, place: str) -> None:
    names = ("biases", "scales", "mean", "variance", "weights") if convolution.normalization else ("biases", "weights")
    for name, array in zip(names, _parts(convolution), strict=True):
        if not np.isfinite(array).all():
            raise InvalidWeights(f"{place}: {name} hold NaN or infinity; the file is damaged or its training diverged")
    if convolution.normalization is not None and (convolution.normalization.variance < 0).any():
        raise InvalidWeights(f"{place}: a variance is negative; is the file another network's?")
