"""The whole range: nothing is clipped."""

from typing import ClassVar

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample


class MinMax(Algorithm):
    """Spread the codes from the smallest to the largest value seen."""

    name: ClassVar[str] = "minmax"
    purpose: ClassVar[str] = "nothing is clipped: weights, and values without a far tail"

    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        return grid.scales(sample.histogram.low, sample.histogram.high)
