"""The papers' algorithm as yolo2_light computes it, faults included: one wants to see what it gets wrong.

Source: AlexeyAB/yolo2_light, yolov2_forward_network_quantized.c: get_distribution, get_multiplier, entropy_calibration.
"""

from functools import cache
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from quant.algorithms.base import Algorithm, Grid, Scales, ValueSample
from quant.histogram import Histogram

OCTAVES, WINDOW, LOWEST_EXPONENT = 32, 8, -16
BIN_WIDTH, BINS, LEVELS = 1 / 16, 4096, 128
_CLIPS_AT_A_TIME = 128


class Log2Paper(Algorithm):
    """Weights: the densest eight octaves of the positive ones; codes truncated. Activations: entropy calibration.

    All rows of a weight share one scale: a channel alone may have no positive weight at all.
    """

    name: ClassVar[str] = "log2-paper"
    purpose: ClassVar[str] = "comparing with the papers, whose program codes some of a YOLO's layers with it"

    def choose(self, sample: ValueSample, grid: Grid) -> Scales:
        if sample.values is not None:
            together = weight_multiplier(sample.values.reshape(1, -1)).expand(len(sample.values))
            scale = 1 / (together * grid.highest / 127)
            return Scales(scale, torch.zeros(scale.shape, dtype=torch.int64), "truncate")
        # its codes are signed, -127..127: the middle code is our zero
        scale = 1 / input_multiplier(sixteenths(sample.histogram))
        return Scales(scale, torch.full(scale.shape, (grid.lowest + grid.highest + 1) // 2))


def weight_multiplier(weight: Tensor) -> Tensor:
    """Of each row of `weight` [R, n], 2^(16 - j) / 4 where octaves j..j+7 hold the most weights (ties: lowest j)."""
    octave = torch.frexp(weight).exponent - 1 - LOWEST_EXPONENT
    counted = (weight > 0) & (octave >= 0) & (octave < OCTAVES)
    counts = torch.zeros(weight.shape[0], OCTAVES, dtype=torch.int64)
    counts.scatter_add_(1, octave.clamp(0, OCTAVES - 1).to(torch.int64), counted.to(torch.int64))
    windows = pad(counts, (0, WINDOW - 1)).unfold(1, WINDOW, 1).sum(2)
    first = (windows == windows.amax(1, keepdim=True)).to(torch.int64).argmax(1)
    return torch.exp2(-LOWEST_EXPONENT - first.to(torch.float64)) / 4


def sixteenths(histogram: Histogram) -> Tensor:
    """Counts of |x| in rounded sixteenths, the rest in the last of 4096: exact where our bins are <= 1/32 wide."""
    index = (histogram.centres.abs() / BIN_WIDTH + 0.5).floor().clamp(max=BINS - 1).to(torch.int64)
    return torch.zeros(index.shape[0], BINS, dtype=torch.float64).scatter_add_(1, index, histogram.counts)


def input_multiplier(counts: Tensor) -> Tensor:
    """Of each row of `counts` [R, 4096], 127 / threshold at the least KL(P || Q) over all clips from 128 bins up.

    Level l takes the bins j with round(128 j / clip) = l, a difference of running sums.
    """
    clips = torch.arange(LEVELS, BINS)
    last, tiny = clips - 1, torch.tensor(torch.finfo(torch.float32).tiny, dtype=torch.float64)
    mass = pad(counts.cumsum(1), (1, 0))
    p_log_q, last_level = _levels_of_all_clips(mass, pad((counts > 0).to(counts.dtype).cumsum(1), (1, 0)))
    kept, outliers = mass[:, clips], mass[:, -1:] - mass[:, clips]
    p_log_p = pad(torch.xlogy(counts, counts).cumsum(1), (1, 0))[:, clips]
    p_log_p += (
        torch.xlogy(counts[:, last] + outliers, counts[:, last] + outliers) - torch.xlogy(counts, counts)[:, last]
    )
    q_last = torch.where(counts[:, last] > 0, last_level / kept, tiny) * kept
    p_log_q += torch.xlogy(outliers, q_last)
    loss = (p_log_p - p_log_q) / mass[:, -1:] - mass[:, -1:].log() + kept.log()
    best = loss.nan_to_num(nan=torch.inf).argmin(1)
    return 127 / ((best + LEVELS + 0.5) * BIN_WIDTH)


@cache
def _edges() -> Tensor:
    """[clips, LEVELS + 1] int64, the bins at which each clip's levels begin, and the clip itself."""
    clips = torch.arange(LEVELS, BINS)[:, None]
    return torch.cat((torch.zeros_like(clips), -((1 - 2 * torch.arange(1, LEVELS)) * clips // 256), clips), 1)


def _levels_of_all_clips(mass: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
    """Of running sums [R, 4097] of counts and of bins in use: the sum over levels of P log Q, and Q's last level.

    Both are [R, clips]. Some clips at a time, so that what is between them stays in the processor's cache; levels
    beyond the last bin in use are empty, and left out.
    """
    reach = int((used < used[:, -1:]).sum(1).max())
    sums, lasts = [], []
    for edges in torch.split(_edges(), _CLIPS_AT_A_TIME):
        filled = int((edges[0] < reach).sum())
        edges = edges[:, : filled + 1]
        shape, at = (len(mass), *edges.shape), edges.flatten()
        merged = mass.index_select(1, at).view(shape).diff()
        level = merged / used.index_select(1, at).view(shape).diff().clamp_(min=1)
        sums.append(torch.xlogy(merged, level).sum(2))
        lasts.append(level[:, :, -1] if filled >= LEVELS else torch.zeros_like(sums[-1]))
    return torch.cat(sums, 1), torch.cat(lasts, 1)
