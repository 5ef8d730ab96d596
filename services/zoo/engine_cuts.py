"""Where an engine can be cut into stages, and what its layers cost: the layers are its graph's, folded."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, prod

import torch
from torch import Tensor

from quant.engine import Engine
from quant.graph import INPUT
from quant.kernels.prepared import PreparedLayer
from quant.operations import Weighted
from services.zoo.costs import Cost
from services.zoo.cuts import Cut, CutPlaces, ProgramLayer
from services.zoo.exported.graph import is_operator

_TIMED_PASSES = 5
_COUNT = re.compile(r"_\d+$")
"""Behind an operator's name, where a module calls it several times."""


@dataclass(frozen=True)
class EngineCuts(CutPlaces):
    """Legal cuts of an engine.

    Layers without weights have names of their own, not those of the module that they lie in: a cut at a module is the
    first legal one from its last weights on, and one at an operator of a module is one at the module.
    """

    weighted: frozenset[str]

    def cut_at(self, name: str) -> Cut:
        """Takes and raises what `CutPlaces.cut_at` does; a declaration for float's stages names the same places."""
        if any(layer.name == name for layer in self.layers):
            return super().cut_at(name)
        module, _, operator = name.rpartition(".")
        inside = module if is_operator(_COUNT.sub("", operator)) else name
        start = self._last_in(inside)
        if start is None:
            return super().cut_at(name)
        for cut in self.cuts:
            if cut.position >= start and not self._holds_weights(start + 1, cut.position + 1):
                return cut
        return super().cut_at(self.layers[start].name)

    def _last_in(self, module: str) -> int | None:
        inside = [position for position, layer in enumerate(self.layers) if module in layer.modules]
        return inside[-1] if inside else None

    def _holds_weights(self, start: int, end: int) -> bool:
        return any(layer.name in self.weighted for layer in self.layers[start:end])


def engine_cuts(engine: Engine) -> EngineCuts:
    """Find them: after a layer whose value is the one that what follows needs."""
    graph = engine.graph
    place = {INPUT: -1} | {layer.name: position for position, layer in enumerate(graph.layers)}
    last = {name: max((place[reader] for reader in readers), default=-1) for name, readers in graph.consumers.items()}
    last |= dict.fromkeys(graph.outputs, len(graph.layers))
    crossing = [
        tuple(name for name, made in place.items() if made <= position < last[name])
        for position in range(len(graph.layers))
    ]
    layers = tuple(ProgramLayer(layer.name, _modules(layer.name), ()) for layer in graph.layers)
    cuts = tuple(
        Cut(layer.name, position, graph.shapes[layer.name])
        for position, layer in enumerate(graph.layers[:-1])
        if crossing[position] == (layer.name,)
    )
    weighted = frozenset(layer.name for layer in graph.layers if isinstance(layer.operation, Weighted))
    return EngineCuts(layers, cuts, tuple(crossing), weighted)


def _modules(name: str) -> tuple[str, ...]:
    """`a.b.c` -> `a`, `a.b`, `a.b.c`."""
    parts = name.split(".")
    return tuple(".".join(parts[: count + 1]) for count in range(len(parts)))


def engine_costs(engine: Engine) -> list[Cost]:
    """Measure each layer's cost, in their order: an integer operation counts as one of float, a code moves one byte."""
    graph = engine.graph
    x = torch.randn(1, *graph.input_shape, generator=torch.Generator().manual_seed(0))
    times_ms = _times_ms(engine, x)
    return [
        Cost(
            weight_bytes=_weight_bytes(prepared),
            flops=_flops(engine, prepared),
            moved_bytes=sum(
                prod(graph.shapes[name]) * (1 if engine.formats[name] else 4)
                for name in (*prepared.layer.inputs, prepared.name)
            ),
            time_ms=times_ms[prepared.name],
        )
        for prepared in engine.layers
    ]


def working_bytes(engine: Engine, layers: Iterable[PreparedLayer]) -> int:
    """The most that one layer reads and writes beside weights, for one picture, as floats: a runtime may need them."""
    return max(
        4 * sum(prod(engine.graph.shapes[name]) for name in (*prepared.layer.inputs, prepared.name))
        for prepared in layers
    )


def _times_ms(engine: Engine, x: Tensor) -> dict[str, float]:
    """The best of a few passes on one thread, layer by layer."""
    threads, best_ms = torch.get_num_threads(), dict[str, float]()
    torch.set_num_threads(1)
    try:
        for _ in range(_TIMED_PASSES):
            began_s = time.perf_counter()
            for prepared, _ in engine.values(x):
                ended_s = time.perf_counter()
                best_ms[prepared.name] = min(best_ms.get(prepared.name, inf), 1e3 * (ended_s - began_s))
                began_s = ended_s
    finally:
        torch.set_num_threads(threads)
    return best_ms


def _weight_bytes(prepared: PreparedLayer) -> int:
    operation = prepared.layer.operation
    if not isinstance(operation, Weighted):
        return 0
    return operation.weight.numel() * (4 if prepared.integer is None else 1) + 4 * operation.bias.numel()


def _flops(engine: Engine, prepared: PreparedLayer) -> int:
    operation, values = prepared.layer.operation, prod(engine.graph.shapes[prepared.name])
    return 2 * operation.weight[0].numel() * values if isinstance(operation, Weighted) else values
