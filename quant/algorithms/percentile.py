"""All but the rarest values."""

from typing import ClassVar

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample

KEPT_FRACTION = 0.9999


class Percentile(Algorithm):
    """Clip at most 0.01 % of the values, half of them at each end."""

    name: ClassVar[str] = "percentile"
    purpose: ClassVar[str] = "values with a few far outliers"

    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        tail = (1 - KEPT_FRACTION) / 2
        return grid.scales(sample.histogram.quantile(tail), sample.histogram.quantile(1 - tail))
