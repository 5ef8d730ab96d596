"""What each layer of a model costs, and where to cut so that stages cost alike."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Interpreter, Node
from torch.utils.flop_counter import FlopCounterMode

from services.edge.errors import InvalidInput
from services.zoo.cuts import Cut, CutGraph, CutPlaces, operators_of

BATCH = 4
_TIMED_PASSES = 5
_FLOPS_PER_BYTE = 8.0
"""What a core computes while it moves one byte; of the processors of 2016 to 2026, one thread, float32, about."""


@dataclass(frozen=True)
class Cost:
    """What a range of layers costs.

    Attributes:
        weight_bytes: of the layers' own weights.
        flops: for one picture; a multiplication and an addition count as two.
        moved_bytes: for one picture: what its operators read and write beside weights.
        time_ms: for one picture, on one thread, in torch, measured in batches of `BATCH`.
    """

    weight_bytes: int = 0
    flops: int = 0
    moved_bytes: int = 0
    time_ms: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.weight_bytes + other.weight_bytes,
            self.flops + other.flops,
            self.moved_bytes + other.moved_bytes,
            self.time_ms + other.time_ms,
        )

    @property
    def weight(self) -> float:
        """How long it takes, up to a factor that is the same everywhere, so that every machine chooses the same cuts.

        A roofline without its corner: computing, and moving values and weights, the latter once a batch.
        """
        return self.flops + _FLOPS_PER_BYTE * (self.moved_bytes + self.weight_bytes / BATCH)


def measure(graph: CutGraph, size: tuple[int, int]) -> list[Cost]:
    """Measure each layer's cost, in the order of `graph.layers`; `size` is (H, W) of its pictures."""
    batch = torch.randn(BATCH, 3, *size, generator=torch.Generator().manual_seed(0))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            counting = _Counting(graph)
            counting.run(batch)
            timing = _Timing(graph)
            for _ in range(_TIMED_PASSES):
                timing.run(batch)
    finally:
        torch.set_num_threads(threads)
    state = {**dict(graph.module.named_parameters()), **dict(graph.module.named_buffers())}
    return [
        Cost(
            weight_bytes=sum(state[name].nbytes for name in layer.weights if name in state),
            flops=counting.flops[node] // BATCH,
            moved_bytes=counting.moved_bytes[node] // BATCH,
            time_ms=timing.best_ms[node] / BATCH,
        )
        for layer, node in zip(graph.layers, operators_of(graph.module), strict=True)
    ]


def total(costs: Sequence[Cost]) -> Cost:
    """Sum costs."""
    return sum(costs, Cost())


def balance(graph: CutPlaces, costs: Sequence[Cost], stages: int) -> tuple[Cut, ...]:
    """Choose cuts so that the most expensive of `stages` stages costs least; of equals, those where fewest bytes cross.

    Dynamic programming over the legal cuts, O(stages x cuts²).

    Raises:
        InvalidInput: fewer than one stage, or more than the legal cuts allow.
    """
    if not 1 <= stages <= len(graph.cuts) + 1:
        raise InvalidInput(f"{stages} stages: this model can be cut into 1 to {len(graph.cuts) + 1}")
    ends = [*(cut.position + 1 for cut in graph.cuts), len(graph.layers)]
    sums = [0.0]
    for cost in costs:
        sums.append(sums[-1] + cost.weight)
    best = [_Choice(sums[end]) for end in ends]  # one stage up to each end
    for _ in range(stages - 1):
        best = [_extended(best, ends, sums, graph.cuts, end) for end in range(len(ends))]
    return best[-1].cuts


@dataclass(frozen=True)
class _Choice:
    """The best way to cut up to some end: the most expensive stage, the bytes that cross, the cuts."""

    worst: float
    size_bytes: int = 0
    cuts: tuple[Cut, ...] = field(default=(), compare=False)


def _extended(
    best: Sequence[_Choice], ends: Sequence[int], sums: Sequence[float], cuts: Sequence[Cut], end: int
) -> _Choice:
    """Add one more stage, up to `end`, to the best of the choices that end before."""
    found = _Choice(math.inf)
    for before in range(end):
        worst = max(best[before].worst, sums[ends[end]] - sums[ends[before]])
        cut = cuts[before]
        choice = _Choice(worst, best[before].size_bytes + cut.size_bytes, (*best[before].cuts, cut))
        if (choice.worst, choice.size_bytes) < (found.worst, found.size_bytes):
            found = choice
    return found


class _Counting(Interpreter):
    """Count each operator's floating-point operations and the bytes it reads and writes beside weights."""

    def __init__(self, graph: CutGraph):
        super().__init__(graph.module)
        self.flops: dict[Node, int] = {}
        self.moved_bytes: dict[Node, int] = {}

    def run_node(self, n: Node) -> Any:
        with FlopCounterMode(display=False) as counter:
            result = super().run_node(n)
        self.flops[n] = counter.get_total_flops()
        read = [self.env[each] for each in n.all_input_nodes if each.op != "get_attr"]
        self.moved_bytes[n] = sum(each.nbytes for each in [*read, result] if isinstance(each, torch.Tensor))
        return result


class _Timing(Interpreter):
    """Take each operator's best time over the passes, in ms."""

    def __init__(self, graph: CutGraph):
        super().__init__(graph.module)
        self.best_ms: dict[Node, float] = {}

    def run_node(self, n: Node) -> Any:
        began_s = time.perf_counter()
        result = super().run_node(n)
        self.best_ms[n] = min(self.best_ms.get(n, math.inf), 1e3 * (time.perf_counter() - began_s))
        return result
