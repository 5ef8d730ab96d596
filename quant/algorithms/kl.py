"""The clip that keeps the most information.

Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017: of all clips, take the one whose codes tell the least less
about the values (`Histogram.divergence`). What counts is how much is clipped, and not how far away it lies.
"""

from typing import ClassVar

import torch

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample
from quant.histogram import Histogram


class KullbackLeibler(Algorithm):
    """Values that are never negative use all 255 levels; others are clipped alike on both sides.

    Weights keep their whole range, as TensorRT leaves them: a large weight is rare, and decides its channel.
    """

    name: ClassVar[str] = "kl"
    purpose: ClassVar[str] = "values without a far tail, as TensorRT's; weights keep their whole range"
    weights_by: ClassVar[str] = "minmax"

    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        histogram = sample.histogram
        levels = levels_of(histogram)
        reach = torch.maximum(-histogram.low, histogram.high) / histogram.width
        farthest = int((reach * (1 + 1 / levels)).ceil().max())  # the last code may lie beyond the last value
        clips = torch.arange(levels, max(levels, farthest) + 1).expand(len(reach), -1)
        best = histogram.divergence(clips, levels).argmin(1)
        threshold = clips[0, best] * histogram.width
        return grid.scales(torch.maximum(histogram.low, -threshold), torch.minimum(histogram.high, threshold))


def levels_of(histogram: Histogram) -> int:
    """Into how many levels the codes part |x|: all of them, or those of one side."""
    return 255 if float(histogram.low.min()) >= 0 else 127
