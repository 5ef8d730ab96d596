"""From observations to scales: each value and each layer takes the algorithm that serves its output best."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from statistics import fmean

import torch
from torch import Tensor

from quant.affine import QParams, dequantise, quantise
from quant.algorithms import Scales, ValueSample, algorithm_named, algorithm_names, weight_algorithm_names
from quant.algorithms.base import ACTIVATION, WEIGHT, WEIGHT_7_BIT
from quant.algorithms.kl import levels_of
from quant.errors import AlgorithmNotFound
from quant.graph import Layer
from quant.histogram import Histogram, RunningHistogram, histogram_of_rows
from quant.observations import Observations
from quant.operations import Weighted
from quant.scales import Calibration, IntegerWeights, quantise_weights
from quant.statistics import cosine, evenly, sqnr_db

BEST = "best"
"""Not an algorithm: each value and each layer takes the algorithm whose output has the highest SQNR."""

CLIPPING_GAIN_DB = 1.0
"""What clipping must gain over the whole range seen: pictures that calibration has not seen reach further."""


class Granularity(StrEnum):
    """Which weights of a layer share a scale; a value has one scale always."""

    TENSOR = "tensor"
    CHANNEL = "channel"


@dataclass(frozen=True)
class Candidate:
    """What one algorithm does to a value, or to a layer's weights.

    Attributes:
        scale: the value's; of weights the mean over the channels.
        zero_point: 0..255; 0 for weights.
        clipped_fraction: share of the elements beyond the last code.
        sqnr_db, cosine: of the elements, coded and decoded, against themselves.
        kl_nats: what is lost of their distribution, as `kl` sees it (`Histogram.divergence`); the mean over channels.
        output_sqnr_db: of the layer's output. For weights: integer weights on the coded input, float output.
            For a value it is its own SQNR over all pictures, the mean over its group where several share the scale.
    """

    algorithm: str
    scale: float
    zero_point: int
    clipped_fraction: float
    sqnr_db: float
    cosine: float
    kl_nats: float
    output_sqnr_db: float


@dataclass(frozen=True)
class Choice:
    """Every algorithm tried on one value or one layer's weights, the one taken, and why."""

    name: str
    algorithm: str
    reason: str
    candidates: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate:
        return next(candidate for candidate in self.candidates if candidate.algorithm == self.algorithm)

    @property
    def lost_db(self) -> float:
        """What the best algorithm's output has over that of the one taken."""
        return max(candidate.output_sqnr_db for candidate in self.candidates) - self.chosen.output_sqnr_db


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A calibration by the algorithm `asked` for; the choice behind each scale: `values` by group leader, `weights` by
    layer."""

    asked: str
    calibration: Calibration
    values: Mapping[str, Choice]
    weights: Mapping[str, Choice]


def calibrate(
    layers: tuple[Layer, ...],
    observations: Observations,
    algorithm: str = BEST,
    granularity: Granularity = Granularity.CHANNEL,
    bits: int = 8,
    on_layer: Callable[[str], None] = lambda _: None,
) -> Calibrated:
    """Choose the scale of every value and the integers of every weighted layer.

    Args:
        layers: of the graph that was observed.
        algorithm: one for all, or BEST.
        bits: of weights: 8, or 7 for processors whose 8-bit products saturate.
        on_layer: called with each weighted layer's name when it is done.
    Raises:
        AlgorithmNotFound: no algorithm of that name.
    """
    only = only_algorithm(algorithm)
    leaders = dict.fromkeys(observations.groups.values())
    by_leader = {leader: choose_value(observations, leader, only) for leader in leaders}
    qparams = {name: by_leader[leader][0] for name, leader in observations.groups.items()}
    weights, choices = {}, {}
    for layer in layers:
        if isinstance(layer.operation, Weighted):
            weights[layer.name], choices[layer.name] = choose_weights(
                layer, qparams[layer.inputs[0]], observations.inputs[layer.name], only, granularity, bits
            )
            on_layer(layer.name)
    return Calibrated(
        algorithm, Calibration(qparams, weights), {leader: choice for leader, (_, choice) in by_leader.items()}, choices
    )


def only_algorithm(asked: str) -> str | None:
    """The one algorithm that is to choose, or None: the best of all for each.

    Raises:
        AlgorithmNotFound: no algorithm of that name; lists them, and the nearest.
    """
    if asked == BEST:
        return None
    if asked not in algorithm_names():
        known = [BEST, *algorithm_names()]
        near = get_close_matches(asked, known, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise AlgorithmNotFound(f"no algorithm is called {asked!r}; {meant}there are: {', '.join(known)}")
    return asked


def choose_value(observations: Observations, leader: str, only: str | None = None) -> tuple[QParams, Choice]:
    """Try every algorithm on one scale group; take `only`, or the highest mean SQNR of the group's values.

    Of algorithms within CLIPPING_GAIN_DB of the highest it is the one that clips least.
    """
    members = [name for name in observations.histograms if observations.groups[name] == leader]
    group = RunningHistogram()
    for name in members:
        group.merge(observations.histograms[name])
    histogram = group.histogram()
    histograms = [observations.histograms[name].histogram() for name in members]
    together = torch.cat([observations.samples[name] for name in members])
    found = {name: algorithm_named(name).choose(ValueSample(histogram), ACTIVATION) for name in algorithm_names()}
    tried = {name: QParams(float(scales.scale), int(scales.zero_point)) for name, scales in found.items()}
    grids = torch.tensor([(each.low, each.high, each.scale) for each in tried.values()], dtype=torch.float64)
    by_member = [each.sqnr_db(*grids.T[:, None]) for each in histograms]
    candidates = []
    for (name, scales), *outputs_db in zip(found.items(), *by_member, strict=True):
        qparams, output_db = tried[name], fmean(outputs_db)
        decoded = dequantise(quantise(together, qparams), qparams)
        ends = (torch.tensor([qparams.low]), torch.tensor([qparams.high]))
        candidates.append(_candidate(name, scales, histogram, ends, levels_of(histogram), together, decoded, output_db))
    choice = _take(leader, candidates, only, CLIPPING_GAIN_DB)
    return tried[choice.algorithm], choice


def choose_weights(
    layer: Layer,
    x_qparams: QParams,
    crops: Tensor,
    only: str | None = None,
    granularity: Granularity = Granularity.CHANNEL,
    bits: int = 8,
) -> tuple[IntegerWeights, Choice]:
    """Try every algorithm on one layer's weights; take `only`, or the one whose float output has the highest SQNR.

    An algorithm for values alone is not tried; where it is asked for, the one that it names for weights is taken.

    Args:
        layer: a weighted one.
        crops: some of its inputs, float32 [N, C, h, w] or [N, C].
    """
    operation = layer.operation
    assert isinstance(operation, Weighted)
    grid = WEIGHT if bits == 8 else WEIGHT_7_BIT
    rows = operation.weight.flatten(1) if granularity is Granularity.CHANNEL else operation.weight.reshape(1, -1)
    sample = ValueSample(histogram_of_rows(rows), rows)
    wanted = operation.run(crops)
    coded = dequantise(quantise(crops, x_qparams), x_qparams)
    tried: dict[str, IntegerWeights] = {}
    candidates = []
    for name in weight_algorithm_names():
        scales = algorithm_named(name).choose(sample, grid)
        tried[name] = integers = quantise_weights(
            operation,
            scales.scale.float(),
            x_qparams.scale,
            highest=grid.highest,
            truncate=scales.rounding == "truncate",
        )
        decoded = decode_weights(integers)
        output_db = sqnr_db(wanted, run_decoded(operation, decoded, integers, coded))
        reach = scales.scale * grid.highest
        part = evenly(operation.weight), evenly(decoded)
        candidates.append(_candidate(name, scales, sample.histogram, (-reach, reach), grid.highest, *part, output_db))
    choice = _take(layer.name, candidates, only and (algorithm_named(only).weights_by or only))
    return tried[choice.algorithm], choice


def decode_weights(integers: IntegerWeights) -> Tensor:
    """The float weights that the codes stand for, shaped as the layer's."""
    return integers.codes * integers.scale.view(-1, *[1] * (integers.codes.dim() - 1))


def run_decoded(operation: Weighted, weight: Tensor, integers: IntegerWeights, *inputs: Tensor) -> Tensor:
    """The layer's float output with integer weights: equal to the integer kernel's up to float32's own rounding."""
    return replace(operation, weight=weight, bias=integers.real_bias).run(*inputs)


def _candidate(
    algorithm: str,
    scales: Scales,
    histogram: Histogram,
    ends: tuple[Tensor, Tensor],
    levels: int,
    wanted: Tensor,
    decoded: Tensor,
    output_db: float,
) -> Candidate:
    low, high = (end.double()[:, None] for end in ends)
    half_code = float(scales.scale[0]) / 2 if bool(scales.zero_point.any()) else 0.0
    inside = (histogram.moments_below(high)[0] - histogram.moments_below(low)[0]).sum() / histogram.total.sum()
    return Candidate(
        algorithm,
        float(scales.scale.mean()),
        int(scales.zero_point[0]),
        max(0.0, 1 - float(inside)),
        sqnr_db(wanted, decoded),
        cosine(wanted, decoded),
        _kl_nats(histogram, torch.maximum(-low, high), half_code, levels),
        output_db,
    )


def _kl_nats(histogram: Histogram, reach: Tensor, half_code: float, levels: int) -> float:
    """What clipping at `reach` [R, 1] loses; of one value the least within half a code, by which zero points round."""
    bins = histogram.counts.shape[1]
    nearest = (reach / histogram.width[:, None]).round().clamp(1, bins * levels)  # beyond it all is in one level
    slack = math.ceil(min(half_code / float(histogram.width.max()), bins))
    clips = (nearest + torch.arange(-slack, slack + 1)).clamp(min=1).to(torch.int64)
    return float(histogram.divergence(clips, levels).amin(1).mean())


def _take(name: str, candidates: list[Candidate], only: str | None, clipping_gain_db: float = 0.0) -> Choice:
    ranked = sorted(candidates, key=lambda candidate: -candidate.output_sqnr_db)
    first, second = ranked[0], ranked[1]
    if only is not None:
        return Choice(name, only, f"asked for; the best is {first.algorithm}", tuple(candidates))
    near = [each for each in ranked if each.output_sqnr_db > first.output_sqnr_db - clipping_gain_db]
    widest = min(near, key=lambda candidate: candidate.clipped_fraction, default=first)
    if widest.clipped_fraction < first.clipped_fraction:
        lost = first.output_sqnr_db - widest.output_sqnr_db
        reason = f"output {widest.output_sqnr_db:.1f} dB, {lost:.1f} dB below {first.algorithm}, which clips more"
        return Choice(name, widest.algorithm, reason, tuple(candidates))
    margin = first.output_sqnr_db - second.output_sqnr_db
    reason = f"output {first.output_sqnr_db:.1f} dB, {margin:.1f} dB over {second.algorithm}"
    return Choice(name, first.algorithm, reason, tuple(candidates))
