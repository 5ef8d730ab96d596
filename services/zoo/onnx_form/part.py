"""A part of an engine, from one value to another: a stage; or the whole engine."""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from quant.affine import QParams, Quantised, Value, as_float, quantise
from quant.engine import Engine
from quant.graph import INPUT
from quant.kernels.prepared import PreparedLayer


@dataclass(frozen=True, eq=False)
class EnginePart:
    """Layers `start` to `end` of an engine, the latter not included; only one value enters and one leaves, or the
    engine's own outputs do. Values cross in float32: a value of codes is what they stand for, and is coded again.
    """

    engine: Engine
    start: int = 0
    end: int | None = None

    @cached_property
    def layers(self) -> tuple[PreparedLayer, ...]:
        return self.engine.layers[self.start : self.end]

    @property
    def entry(self) -> str:
        """The value that enters."""
        return self.engine.layers[self.start - 1].name if self.start else INPUT

    @property
    def outputs(self) -> tuple[str, ...]:
        """The values that leave."""
        is_last = self.end in (None, len(self.engine.layers))
        return self.engine.graph.outputs if is_last else (self.layers[-1].name,)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of what enters, without N."""
        return self.engine.graph.shapes[self.entry]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of what leaves, without N; several outputs leave as one vector."""
        shapes = [self.engine.graph.shapes[name] for name in self.outputs]
        return shapes[0] if len(shapes) == 1 else (sum(map(prod, shapes)),)

    def enter(self, x: Tensor) -> Value:
        """What enters, as the engine stores it; `x` is [N, ...], float32."""
        if self.start == 0:
            return self.engine.enter(x)
        qparams = self.engine.formats[self.entry]
        return x if qparams is None else coded(x, qparams)

    def run(self, x: Tensor) -> Tensor:
        """What leaves, [N, ...], float32; several outputs as one vector, [N, V], in their order."""
        with torch.inference_mode():
            return self._run(x)

    def _run(self, x: Tensor) -> Tensor:
        values: dict[str, Value] = {self.entry: self.enter(x)}
        for prepared in self.layers:
            values[prepared.name] = prepared.run(*(values[name] for name in prepared.layer.inputs))
        found = [as_float(values[name]) for name in self.outputs]
        return found[0] if len(found) == 1 else torch.cat([each.flatten(1) for each in found], 1)


def coded(values: Tensor, qparams: QParams) -> Quantised:
    """float32 as codes."""
    return Quantised(quantise(values, qparams), qparams)
