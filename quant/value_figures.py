"""A layer's value in figures and as a picture, in any state of a model."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from quant.affine import Quantised, Value, as_float
from quant.errors import NonFiniteValue
from quant.states import State, StateValues
from quant.statistics import (
    Statistics,
    count_clipped,
    count_codes,
    describe,
    describe_codes,
    evenly,
    flatten,
    sqnr_db,
    tile_channels,
)


class ValueFigures:
    """Figures of the values of one input.

    Every method raises LayerNotFound where there is no layer of that name.

    Args:
        float_values: of every layer, in the float run that errors are measured against; a sample of each is kept.
    """

    def __init__(self, values: StateValues, float_values: Iterable[tuple[str, Tensor]]) -> None:
        self._values = values
        self._float_samples = {name: evenly(value).clone() for name, value in float_values}
        self._statistics: dict[tuple[str, int], Statistics] = {}

    def statistics(self, state: State, layer: str) -> Statistics:
        """What the value holds; it is worked out once, though a page asks as it steps and again as it looks."""
        value = self._values.of(state, layer)
        at = layer, state.versions[layer]
        if at not in self._statistics:
            self._statistics[at] = self._describe(state, layer, value)
        return self._statistics[at]

    def sqnr_db(self, state: State, layer: str) -> float:
        """Against the float run, over at most 65 536 elements, spread evenly."""
        value = self._values.of(state, layer)
        sampled = Quantised(evenly(value.codes), value.qparams) if isinstance(value, Quantised) else evenly(value)
        return sqnr_db(self._float_samples[layer], as_float(sampled))

    def histogram(self, state: State, layer: str, bins: int) -> tuple[Tensor, Tensor]:
        """Edges [B + 1] and counts [B]: a bin per code, or `bins` where the value is float. Raises NonFiniteValue."""
        value = self._values.of(state, layer)
        if isinstance(value, Quantised):
            edges = (torch.arange(257) - 0.5 - value.qparams.zero_point) * value.qparams.scale
            return edges, count_codes(value.codes)
        low, high = _finite_range(layer, value)
        return torch.linspace(low, high, bins + 1), torch.histc(flatten(value), bins, low, high)

    def feature_maps(self, state: State, layer: str, columns: int | None, most_side: int) -> Tensor:
        """All channels of the first picture as one grey picture: see `tile_channels`. Raises NonFiniteValue."""
        value = as_float(self._values.of(state, layer))
        _finite_range(layer, value)
        return tile_channels(value[0], columns, most_side=most_side)

    def _describe(self, state: State, layer: str, value: Value) -> Statistics:
        if not isinstance(value, Quantised):
            return describe(value)
        counts = count_codes(value.codes)
        at_an_end = bool(counts[0]) or bool(counts[255])
        clipped = self._count_clipped(state, layer, value) if at_an_end else 0
        return describe_codes(counts, value.qparams.scale, value.qparams.zero_point, clipped)

    def _count_clipped(self, state: State, layer: str, value: Quantised) -> int:
        """Codes at an end may be right: the layer runs once more without them."""
        inputs = [self._values.of(state, name) for name in state.variant.graph.layer(layer).inputs]
        uncoded = state.engine.layer(layer).uncoded(*inputs)
        return count_clipped(uncoded, value.qparams.low, value.qparams.high)


def check_finite(layer: str, value: Tensor) -> None:
    """Raises NonFiniteValue."""
    _finite_range(layer, value)


def _finite_range(layer: str, value: Tensor) -> tuple[float, float]:
    low, high = (float(end) for end in torch.aminmax(flatten(value)))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise NonFiniteValue(f"the value of {layer!r} holds NaN or infinity; undo the edit before it")
    return low, high
