"""Fashion-MNIST as Debian's package dataset-fashion-mnist installs it: 60 000 pictures to train on, 10 000 held out."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path("/usr/share/datasets/fashion-mnist")
VALIDATION = 5_000  # the last of the 60 000; choices are made on these, never on the held-out pictures
_UINT8 = 0x08


@dataclass(frozen=True)
class Pictures:
    """Grey pictures and what they show.

    Attributes:
        grey: uint8 [N, 1, 28, 28].
        classes: int64 [N], 0 to 9.
    """

    grey: Tensor
    classes: Tensor


def as_decoded(grey: Tensor) -> Tensor:
    """Return uint8 [N, 3, H, W], as decoding grey PNGs gives it."""
    return grey.expand(-1, 3, -1, -1)


def read_training(folder: Path = FOLDER) -> tuple[Pictures, Pictures]:
    """Return the pictures to train on and those to validate on."""
    every = _read(folder, "train")
    return (
        Pictures(every.grey[:-VALIDATION], every.classes[:-VALIDATION]),
        Pictures(every.grey[-VALIDATION:], every.classes[-VALIDATION:]),
    )


def read_held_out(folder: Path = FOLDER) -> Pictures:
    """Return the 10 000 pictures that training never sees."""
    return _read(folder, "t10k")


def _read(folder: Path, part: str) -> Pictures:
    grey = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    return Pictures(grey[:, None], read_idx(folder / f"{part}-labels-idx1-ubyte.gz").long())


def read_idx(path: Path) -> Tensor:
    """Read a gzipped IDX file of bytes: two zeros, the element type, the number of axes, big-endian sizes, elements.

    Raises:
        FileNotFoundError: says what to install.
        ValueError: not such a file, or cut short.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: missing; `apt install dataset-fashion-mnist` brings it") from error
    if len(content) < 4 or content[:3] != bytes([0, 0, _UINT8]):
        raise ValueError(f"{path}: not an IDX file of bytes")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start], ">u4").astype(int).tolist()
    if len(content) - start != np.prod(shape):
        raise ValueError(f"{path}: {len(content) - start} bytes of elements, expected {shape}")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())
