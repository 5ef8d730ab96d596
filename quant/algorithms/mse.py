"""The range with the least squared error."""

from typing import ClassVar

import torch

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample, quietest

FRACTIONS = torch.linspace(0.2, 1.0, 81, dtype=torch.float64)


class LeastSquares(Algorithm):
    """Try 81 clips at each end (activations: every pair) and keep the one with the least expected squared error."""

    name: ClassVar[str] = "mse"
    purpose: ClassVar[str] = "the least squared error: values with a tail"

    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        low, high = sample.histogram.low[:, None], sample.histogram.high[:, None]
        if grid.symmetric:
            lows, highs = low * FRACTIONS, high * FRACTIONS
        else:
            below, above = torch.meshgrid(FRACTIONS, FRACTIONS, indexing="ij")
            lows, highs = low * below.reshape(1, -1), high * above.reshape(1, -1)
        return quietest(sample, grid, grid.scales(lows, highs))
