"""The clip that keeps the most information.

Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017: of all clips i, take the one whose first i bins (P, the
tail added to the last bin) diverge least from the same bins merged into the levels there are and spread again over the
non-empty ones (Q).
"""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from quant.algorithms.base import Algorithm, Grid, Sample, Scales

CANDIDATES, CANDIDATES_OF_MANY_ROWS = 96, 32


class KullbackLeibler(Algorithm):
    """Activations that are never negative use all 255 levels; others are clipped alike on both sides."""

    name: ClassVar[str] = "kl"

    def choose(self, sample: Sample, grid: Grid) -> Scales:
        histogram = sample.histogram
        one_sided = not grid.symmetric and float(histogram.low.min()) >= 0
        levels = grid.highest if grid.symmetric or one_sided else grid.levels // 2
        last_bin = float((torch.maximum(-histogram.low, histogram.high) / histogram.width).max())
        farthest = max(min(last_bin, histogram.counts.shape[1]), levels)
        candidates = CANDIDATES if len(histogram.counts) == 1 else CANDIDATES_OF_MANY_ROWS
        clips = torch.linspace(levels, farthest, candidates).ceil().to(torch.int64)
        counts = histogram.folded()
        counts[:, 0] = counts[:, 1]  # the zeros of a ReLU have a code of their own at any scale and must not decide
        best = divergence(counts, clips, levels).argmin(1)
        threshold = clips[best] * histogram.width
        return grid.scales(torch.maximum(histogram.low, -threshold), torch.minimum(histogram.high, threshold))


def divergence(counts: Tensor, clips: Tensor, levels: int) -> Tensor:
    """KL(P || Q) in nats for each row of `counts` [R, B] and each clip [T] (in bins): [R, T].

    Levels are sums between bins, so running sums give each of them at once and a row costs T x levels, not T x B.
    """
    mass = pad(counts.cumsum(1), (1, 0))
    used = pad((counts > 0).cumsum(1), (1, 0))
    plogp = pad(torch.xlogy(counts, counts).cumsum(1), (1, 0))
    total = mass[:, -1]
    columns = []
    for clip in clips.tolist():
        edges = torch.div(torch.arange(levels + 1) * clip, levels, rounding_mode="floor")
        merged, spread = mass[:, edges].diff().float(), used[:, edges].diff()
        outliers = total - mass[:, clip]
        last = counts[:, clip - 1]
        # sum of P log P: the tail sits in the last bin; sum of P log Q: what it adds there meets the last level's Q
        entropy = plogp[:, clip] - torch.xlogy(last, last) + torch.xlogy(last + outliers, last + outliers)
        level = merged / spread.clamp(min=1)
        cross = (merged * level.clamp(min=2.0**-126).log()).sum(1) + torch.xlogy(
            outliers, level[:, -1].clamp(min=2.0**-126)
        )
        kept = mass[:, clip].clamp(min=1)
        columns.append((entropy - cross) / total - total.log() + kept.log())
    return torch.stack(columns, 1)
