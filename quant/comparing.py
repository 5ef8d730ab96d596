"""Two engines of one network side by side: how far apart each layer's scales, codes and values are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from quant.affine import QParams, Quantised, Value, as_codes, as_float
from quant.engine import Engine
from quant.errors import InvalidGraph
from quant.graph import Graph
from quant.kernels.prepared import PreparedLayer
from quant.statistics import decibels

Outputs = Mapping[str, Tensor]
"""Of each output of a graph its value, float32 [N, ...]."""


@dataclass(frozen=True)
class LayerSide:
    """One side of a layer.

    Attributes:
        qparams: what the codes of its value mean; None where the value is float32.
        weight_scale: of its integer weights, the mean over the channels; None where it has none.
    """

    precision: str
    qparams: QParams | None
    weight_scale: float | None


@dataclass(frozen=True)
class LayerComparison:
    """One layer on both sides, each given what its own side computed before it.

    Codes are the first side's; where that has none the second's. The other side's value is coded so where it is not.

    Attributes:
        weight_codes_differing: share of the integer weights that are not equal, 0 to 1; None without a pair.
        codes_differing: share of the value's codes, 0 to 1; None where both sides are float32.
        largest: the largest difference of two codes; None likewise.
        sqnr_db: the second side's value against the first's, signal to noise; NO_NOISE_DB where they are equal.
    """

    layer: str
    first: LayerSide
    second: LayerSide
    weight_codes_differing: float | None
    codes_differing: float | None
    largest: int | None
    sqnr_db: float


@dataclass
class _Apart:
    """What the inputs so far came to."""

    codes: int = 0
    differing: int = 0
    largest: int = 0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, one: Value, other: Value) -> None:
        coding = next((each.qparams for each in (one, other) if isinstance(each, Quantised)), None)
        if coding is not None:
            apart = (as_codes(one, coding).to(torch.int16) - as_codes(other, coding).to(torch.int16)).abs()
            self.codes += apart.numel()
            self.differing += int(torch.count_nonzero(apart))
            self.largest = max(self.largest, int(apart.max()))
        wanted, found = as_float(one).double(), as_float(other).double()
        self.signal += float(wanted.square().sum())
        self.noise += float((wanted - found).square().sum())


@dataclass(frozen=True, eq=False)
class EngineComparison:
    """Two engines whose networks have the same layers, and how far apart they were on the inputs so far.

    Raises:
        InvalidGraph: they have not; names the first that differs.
    """

    first: Engine
    second: Engine
    _apart: dict[str, _Apart] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_alike(self.first.graph, self.second.graph)

    def add(self, x: Tensor, y: Tensor) -> tuple[Outputs, Outputs]:
        """Run both, x through the first and y through the second; the outputs of both.

        Args:
            x, y: [N, C, H, W], float32.
        Raises:
            WrongShape: not the graphs' input shape.
        """
        outputs: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
        names = set(self.first.graph.outputs)
        for (layer, one), (_, other) in zip(self.first.values(x), self.second.values(y), strict=True):
            with torch.inference_mode():
                self._apart.setdefault(layer.name, _Apart()).add(one, other)
                if layer.name in names:
                    outputs[0][layer.name], outputs[1][layer.name] = as_float(one), as_float(other)
        return outputs

    def layers(self) -> list[LayerComparison]:
        """Every layer, in the order they run; at least one input was added."""
        pairs = zip(self.first.layers, self.second.layers, strict=True)
        return [_compared(one, other, self._apart[one.name]) for one, other in pairs]


def _compared(one: PreparedLayer, other: PreparedLayer, apart: _Apart) -> LayerComparison:
    weights = None
    if one.integer is not None and other.integer is not None:
        weights = float((one.integer.weights.codes != other.integer.weights.codes).double().mean())
    coded = apart.codes > 0
    return LayerComparison(
        one.name,
        _side(one),
        _side(other),
        weights,
        apart.differing / apart.codes if coded else None,
        apart.largest if coded else None,
        decibels(apart.signal, apart.noise),
    )


def _side(prepared: PreparedLayer) -> LayerSide:
    scale = None if prepared.integer is None else float(prepared.integer.weights.scale.mean())
    return LayerSide(prepared.precision.value, prepared.output, scale)


def _check_alike(first: Graph, second: Graph) -> None:
    if len(first.layers) != len(second.layers) or first.outputs != second.outputs:
        raise InvalidGraph(
            f"not the same network: {len(first.layers)} layers with outputs {', '.join(first.outputs)} against "
            f"{len(second.layers)} with {', '.join(second.outputs)}"
        )
    for one, other in zip(first.layers, second.layers, strict=True):
        ours, theirs = (
            f"'{layer.name}', {type(layer.operation).__name__} of {', '.join(layer.inputs)}, "
            f"{'x'.join(map(str, graph.shapes[layer.name]))}"
            for layer, graph in ((one, first), (other, second))
        )
        if ours != theirs:
            raise InvalidGraph(f"not the same network: layer {ours} against {theirs}")
