"""What each layer of a model costs, and where to cut so that stages cost alike."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
_UNEVEN = 1.1
"""What the most expensive stage may cost over the least that it must."""


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
    """Choose cuts so that `stages` stages cost alike, and few bytes cross.

    Of all choices whose most expensive stage costs at most a tenth more than it must, that where the fewest values
    cross that the next stage adds to another, and of these the fewest bytes: runtimes compute such an addition together
    with the layer before it, unless one of its values comes from outside. No cut is chosen that a layer without
    arithmetic follows, unless there are too few others: runtimes compute it together with the layer before, and after
    it no more bytes cross.

    Dynamic programming over the legal cuts, O(stages x cuts²).

    Raises:
        InvalidInput: fewer than one stage, or more than the legal cuts allow.
    """
    if not 1 <= stages <= len(graph.cuts) + 1:
        raise InvalidInput(f"{stages} stages: this model can be cut into 1 to {len(graph.cuts) + 1}")
    cuts = _ends_of_fused_layers(graph.cuts, costs)
    ranges = _Ranges(costs, cuts if stages <= len(cuts) + 1 else graph.cuts)
    evenest = ranges.choose(stages, lambda choice: (choice.worst, choice.size_bytes))
    limit = _UNEVEN * evenest.worst
    return ranges.choose(
        stages, lambda choice: (choice.worst > limit, choice.added, choice.size_bytes, choice.worst)
    ).cuts


def _ends_of_fused_layers(cuts: Sequence[Cut], costs: Sequence[Cost]) -> tuple[Cut, ...]:
    """Leave out cuts before an activation function, a normalisation, a pool, where the next legal cut is just after."""
    left_out = {
        cut
        for cut, after in pairwise(cuts)
        if after.position == cut.position + 1 and not costs[after.position].flops and after.size_bytes <= cut.size_bytes
    }
    return tuple(cut for cut in cuts if cut not in left_out)


@dataclass(frozen=True)
class _Choice:
    """Cuts up to some layer: the most expensive stage before it, the values that are added later, and all bytes."""

    worst: float
    added: int = 0
    size_bytes: int = 0
    cuts: tuple[Cut, ...] = ()


class _Ranges:
    """All stages that lie between two cuts, or a cut and an end of the model."""

    def __init__(self, costs: Sequence[Cost], cuts: Sequence[Cut]):
        sums = [0.0]
        for cost in costs:
            sums.append(sums[-1] + cost.weight)
        self._cuts = cuts
        self._sums = [*(sums[cut.position + 1] for cut in cuts), sums[-1]]
        """The cost of all layers before each cut, and of the model."""

    def choose(self, stages: int, better: Callable[[_Choice], tuple[float, ...]]) -> _Choice:
        """Find the least by `better`, which more stages behind two choices never turn around."""
        best = [_Choice(cost) for cost in self._sums]  # one stage up to each end
        for _ in range(stages - 1):
            best = [
                min((self._extended(best, before, end) for before in range(end)), key=better, default=_Choice(math.inf))
                for end in range(len(best))
            ]
        return best[-1]

    def _extended(self, best: Sequence[_Choice], before: int, end: int) -> _Choice:
        """Add a stage from one end to a later one."""
        choice, cut = best[before], self._cuts[before]
        worst = max(choice.worst, self._sums[end] - self._sums[before])
        added, size_bytes = choice.added + cut.is_added, choice.size_bytes + cut.size_bytes
        return _Choice(worst, added, size_bytes, (*choice.cuts, cut))


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
