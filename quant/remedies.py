"""For a layer that integers spoil: what could be done, each thing done and measured, the best first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from quant.affine import Value, as_float, dequantise, quantise
from quant.calibration import Granularity, choose_value, choose_weights
from quant.edits import EditRange
from quant.engine import Engine
from quant.observations import Observations
from quant.operations import Conv2d, Weighted
from quant.precision import Precision
from quant.reconstruction import layer_sample
from quant.refinements import AdaRound, BiasCorrection, LayerSample, Refinement
from quant.scales import IntegerWeights
from quant.statistics import sqnr_db
from quant.variant import Variant

LEAST_GAIN_DB = 1.0
"""Less is not worth a change."""
LARGE_SHARE, LEAST_FILL = 0.01, 0.25
"""Ranges do not fit pictures of which more than this share lies beyond them, or which fill less than this of them."""
ENOUGH_DB = 20.0
"""What a layer should keep of its signal; below it, float is advised."""
_REFINEMENTS: tuple[tuple[Refinement, ...], ...] = ((BiasCorrection(),), (AdaRound(), BiasCorrection()))


@dataclass(frozen=True, eq=False)
class Remedy:
    """One thing done to one layer: `before_db`, `after_db`: the layer's own error; `variant`: the model with it."""

    layer: str
    action: str
    before_db: float
    after_db: float
    variant: Variant


def misfits(variant: Variant, observations: Observations) -> list[str]:
    """The values whose calibrated ranges are not those of the pictures that were observed."""
    found = []
    for name, running in observations.histograms.items():
        qparams, seen = variant.calibration.of_value(name), running.histogram()
        ends = (torch.tensor([[end]], dtype=torch.float64) for end in (qparams.low, qparams.high))
        below, up_to = (float(seen.moments_below(end)[0].sum()) for end in ends)
        beyond = 1 - (up_to - below) / float(seen.total.sum())
        spread = max(float(seen.high), 0.0) - min(float(seen.low), 0.0)
        if beyond > LARGE_SHARE or spread < LEAST_FILL * (qparams.high - qparams.low):
            found.append(name)
    return found


def find_remedy(
    variant: Variant, engine: Engine, observations: Observations, layer: str, inputs: list[Value]
) -> Remedy:
    """Try everything that fits a weighted integer layer, and take the best; float where nothing is enough.

    Args:
        engine: the variant made ready.
        inputs: the layer's inputs in the float run.
    Raises:
        LayerNotFound: no such layer.
    """
    wanted = variant.graph.layer(layer).operation.run(*map(as_float, inputs))

    def own_db(tried: Variant) -> float:
        changed = Engine(tried.graph, tried.plan, tried.calibration, reuse=engine)
        return sqnr_db(wanted, as_float(changed.layer(layer).run(*inputs)))

    before_db = own_db(variant)
    tried = [
        Remedy(layer, action, before_db, own_db(each), each)
        for action, each in _ideas(variant, observations, layer, engine.cpu.weight_bits)
    ]
    best = max(tried, key=lambda remedy: remedy.after_db, default=None)
    if best and best.after_db >= max(before_db + LEAST_GAIN_DB, ENOUGH_DB):
        return best
    if before_db >= ENOUGH_DB:
        return Remedy(layer, "none: nothing tried gains 1 dB", before_db, before_db, variant)
    in_float = replace(variant, plan={**variant.plan, layer: Precision.FLOAT})
    return Remedy(layer, "keep it in float", before_db, own_db(in_float), in_float)


def _ideas(variant: Variant, observations: Observations, name: str, bits: int) -> Iterator[tuple[str, Variant]]:
    layer = variant.graph.layer(name)
    operation, integers = layer.operation, variant.calibration.weights[name]
    assert isinstance(operation, Weighted)
    crops, x_qparams = observations.inputs[name], variant.calibration.of_value(layer.inputs[0])

    def with_weights(changed: IntegerWeights) -> Variant:
        weights: Mapping[str, IntegerWeights] = {**variant.calibration.weights, name: changed}
        return replace(variant, calibration=replace(variant.calibration, weights=weights))

    def with_range(changed: Variant) -> Variant:
        return EditRange(name, qparams.low, qparams.high).apply(changed)

    qparams, value_choice = choose_value(observations, observations.groups[name])
    yield f"range by {value_choice.algorithm}", with_range(variant)
    best, choice = choose_weights(layer, x_qparams, crops, bits=bits)
    per_tensor = len(integers.scale) > 1 and bool((integers.scale == integers.scale[0]).all())
    channel = "per channel, " if per_tensor else ""
    yield f"{channel}algorithm {choice.algorithm}", with_weights(best)
    if per_tensor:
        tensor_best, tensor_choice = choose_weights(layer, x_qparams, crops, None, Granularity.TENSOR, bits)
        yield f"algorithm {tensor_choice.algorithm}", with_weights(tensor_best)
    sample = layer_sample(operation, dequantise(quantise(crops, x_qparams), x_qparams), crops)
    for refinements in _REFINEMENTS:
        words = ", ".join(refinement.name for refinement in refinements)
        yield words, with_weights(_refined(sample, integers, refinements))
        algorithm, better = f"{channel}algorithm {choice.algorithm}, {words}", _refined(sample, best, refinements)
        yield algorithm, with_weights(better)
        yield f"{algorithm} and range by {value_choice.algorithm}", with_range(with_weights(better))
    if isinstance(operation, Conv2d) and int(integers.codes.abs().max()) > 63:
        narrow, _ = choose_weights(layer, x_qparams, crops, bits=7)
        yield "7-bit weights", with_weights(narrow)


def _refined(sample: LayerSample, integers: IntegerWeights, refinements: Sequence[Refinement]) -> IntegerWeights:
    """All of them, each on top of those before."""
    for refinement in refinements:
        integers = refinement.refine(sample, integers)
    return integers
