"""What every algorithm gets and gives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from quant.histogram import Histogram


@dataclass(frozen=True)
class Scales:
    """The meaning of the codes of R rows: value = scale * (code - zero_point).

    Attributes:
        scale: [R] float64, > 0, in value units per code.
        zero_point: [R] int64; 0 for weights.
        rounding: how a value becomes a code; only `log2-paper` truncates.
    """

    scale: Tensor
    zero_point: Tensor
    rounding: Literal["nearest", "truncate"] = "nearest"


@dataclass(frozen=True)
class Grid:
    """The codes there are: 0..255 for activations, -127..127 (7-bit: -63..63) with zero point 0 for weights."""

    lowest: int
    highest: int

    @property
    def symmetric(self) -> bool:
        """True for weights."""
        return self.lowest < 0

    @property
    def levels(self) -> int:
        """Steps between the lowest and the highest code."""
        return self.highest - self.lowest

    def scales(self, low: Tensor, high: Tensor) -> Scales:
        """Spread the codes over [low, high]; zero always has a code of its own.

        Args:
            low, high: [R]; stretched to take in zero. Where both are zero the scale is 1.
        """
        if self.symmetric:
            reach = torch.maximum(low.abs(), high.abs())
            return Scales(_positive(reach / self.highest), torch.zeros(reach.shape, dtype=torch.int64))
        low, high = low.clamp(max=0), high.clamp(min=0)
        scale = _positive((high - low) / self.levels)
        return Scales(scale, (-low / scale).round().to(torch.int64).clamp(self.lowest, self.highest))

    def reach(self, scale: Tensor, zero_point: Tensor) -> tuple[Tensor, Tensor]:
        """The values of the lowest and the highest code."""
        return (self.lowest - zero_point) * scale, (self.highest - zero_point) * scale


ACTIVATION = Grid(0, 255)
WEIGHT = Grid(-127, 127)
WEIGHT_7_BIT = Grid(-63, 63)


@dataclass(frozen=True)
class ValueSample:
    """What is known of the values to be coded.

    Attributes:
        histogram: R rows.
        values: [R, n], the values themselves where they are at hand (weights), else None (activations).
    """

    histogram: Histogram
    values: Tensor | None = None


class Algorithm(ABC):
    """A way to choose scales. A subclass with a `name` registers itself; nothing else needs an edit.

    Attributes:
        purpose: what it is for, in half a sentence that tables print.
        weights_by: of an algorithm for values alone, the one that codes weights where it is asked for.
    """

    name: ClassVar[str]
    purpose: ClassVar[str] = ""
    weights_by: ClassVar[str] = ""
    registered: ClassVar[dict[str, type["Algorithm"]]] = {}

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            Algorithm.registered[cls.name] = cls

    @abstractmethod
    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        """Choose a scale and a zero point for each row of the sample."""


def quietest(sample: ValueSample, grid: Grid, candidates: Scales) -> Scales:
    """Of T candidates a row, take the one with the least expected noise (ties: the first).

    Args:
        candidates: scale and zero_point [R, T].
    """
    low, high = grid.reach(candidates.scale, candidates.zero_point)
    best = sample.histogram.noise(low, high, candidates.scale).argmin(1, keepdim=True)
    return Scales(candidates.scale.gather(1, best).squeeze(1), candidates.zero_point.gather(1, best).squeeze(1))


def _positive(scale: Tensor) -> Tensor:
    """A row of zeros gets scale 1, and tiny ranges the smallest scale float32 kernels keep exact."""
    return torch.where(scale > 0, scale.clamp(min=2.0**-100), 1.0)
