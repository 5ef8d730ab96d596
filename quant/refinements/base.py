"""What every refinement gets and gives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from quant.calibration import decode_weights
from quant.operations import Weighted
from quant.scales import IntegerWeights


@dataclass(frozen=True, eq=False)
class LayerSample:
    """Some of a layer's windows in the integer run, and what float makes of the same windows.

    Attributes:
        columns: [G, S, d] float32: S windows of each of G groups, coded and decoded; d weights meet each.
        wanted: [S, O] float32: the float layer on the float run's windows, bias and all, before the activation.
    """

    operation: Weighted
    columns: Tensor
    wanted: Tensor

    def of_weights(self, integers: IntegerWeights) -> Tensor:
        """What integer weights make of the windows, [S, O], bias and all."""
        rows = decode_weights(integers).flatten(1)
        return grouped_product(self.columns, grouped(rows, len(self.columns))) + integers.real_bias

    def error(self, integers: IntegerWeights) -> float:
        """The mean squared error of the outputs."""
        return float((self.of_weights(integers) - self.wanted).square().mean())


class Refinement(ABC):
    """Another way to code the same weights at the same scales.

    Attributes:
        name: as reasons and tables say it.
    """

    name: ClassVar[str]

    @abstractmethod
    def refine(self, sample: LayerSample, integers: IntegerWeights) -> IntegerWeights:
        """The weights with changed codes or biases; their scales stay."""


def grouped(rows: Tensor, groups: int) -> Tensor:
    """[O, d] as [G, O / G, d]."""
    return rows.reshape(groups, -1, rows.shape[1])


def grouped_product(columns: Tensor, rows: Tensor) -> Tensor:
    """[G, S, d] windows times [G, O / G, d] weights: [S, O]."""
    return torch.bmm(columns, rows.transpose(1, 2)).permute(1, 0, 2).reshape(columns.shape[1], -1)
