"""Powers of two, for hardware that shifts instead of multiplying."""

from typing import ClassVar

import torch

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample, quietest

OFFSETS = torch.arange(-2, 3)


class PowerOfTwo(Algorithm):
    """scale = 2^-k: of the five k around the min-max scale, the one with the least expected squared error."""

    name: ClassVar[str] = "pow2"
    purpose: ClassVar[str] = "hardware that shifts instead of multiplying"

    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        low, high = sample.histogram.low, sample.histogram.high
        scale = torch.exp2(grid.scales(low, high).scale.log2().round()[:, None] + OFFSETS)
        if grid.symmetric:
            return quietest(sample, grid, Scales(scale, torch.zeros(scale.shape, dtype=torch.int64)))
        # the clip eats from both ends in proportion when the range is wider than the codes
        middle_code = -low[:, None] / (high - low).clamp(min=2.0**-100)[:, None] * grid.levels
        fits = (-low[:, None] / scale).round()
        zero_point = torch.where(scale * grid.levels >= (high - low)[:, None], fits, middle_code.round())
        return quietest(sample, grid, Scales(scale, zero_point.to(torch.int64).clamp(grid.lowest, grid.highest)))
