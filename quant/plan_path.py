"""From the fastest plan to float: step by step, the layer that gives the outputs back the most for its time."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping

from quant.graph import INPUT, Graph
from quant.layer_costs import Costs
from quant.plan_choice import SPARE_TIME
from quant.precision import Mode, Plan, Precision, takes_codes, uniform_plan

_FASTER_S = 1e-9
"""A move that saves less than this saves nothing: sums of seconds in another order differ in their last digits."""

LEAST_NOISE = 1e-3
"""Of a path's first plan: what is quieter has answers that nobody tells from float's."""


def plan_path(graph: Graph, costs: Costs, conversion_s: Mapping[str, float]) -> list[Plan]:
    """Plans from the fastest on, each quieter than the one before; the last is all float.

    Args:
        conversion_s: of each value that can be codes, the seconds to code or decode it.
    """
    estimate = _Estimate(graph, costs, conversion_s)
    plan = _fastest(estimate, costs, uniform_plan(graph, Mode.INT8))
    path: list[Plan] = [dict(plan)]
    while move := _best_move(estimate, costs, plan):
        plan[move[0]] = move[1]
        path.append(dict(plan))
    in_float = uniform_plan(graph, Mode.FLOAT)
    return path if path[-1] == in_float else [*path, in_float]


def quietest_in_time(graph: Graph, path: list[Plan], costs: Costs, conversion_s: Mapping[str, float]) -> Plan:
    """The last plan of a path that by the sum of its layers takes no longer than the first one, and SPARE_TIME of it.

    Args:
        conversion_s: see `plan_path`.
    """
    estimate = _Estimate(graph, costs, conversion_s)
    seconds = [estimate.seconds(plan) for plan in path]
    return path[max(index for index, each in enumerate(seconds) if each <= (1 + SPARE_TIME) * seconds[0])]


def plan_noise(plan: Plan, costs: Costs) -> float:
    """The sum of what each layer alone does to the outputs."""
    return sum(costs[name][precision].noise for name, precision in plan.items())


def spaced(path: list[Plan], costs: Costs, most: int) -> list[Plan]:
    """Of a path at most so many plans, among them both ends, their noise in even steps of decibels."""
    if len(path) <= most:
        return path
    *mixed, in_float = path
    noises = [plan_noise(plan, costs) for plan in mixed]
    least = max(noises[-1], noises[0] * LEAST_NOISE)
    steps = [noises[0] * (least / noises[0]) ** (step / (most - 2)) for step in range(most - 1)]
    # Rounding must not hide the first plan from its own noise.
    taken = dict.fromkeys(bisect_left(noises, -step * 1.000001, key=lambda noise: -noise) for step in steps)
    return [*(mixed[min(index, len(mixed) - 1)] for index in taken), in_float]


class _Estimate:
    """A plan's seconds, as far as one layer's precision plays a part in them."""

    def __init__(self, graph: Graph, costs: Costs, conversion_s: Mapping[str, float]) -> None:
        self._graph, self._costs, self._conversion_s = graph, costs, conversion_s
        self._readers: dict[str, list[tuple[str, bool]]] = {name: [] for name in graph.consumers}
        for layer in graph.layers:
            for position, source in enumerate(layer.inputs):
                self._readers[source].append((layer.name, takes_codes(layer.operation, position)))

    def seconds(self, plan: Plan) -> float:
        """Of a whole run."""
        layers = sum(self._costs[name][precision].seconds for name, precision in plan.items())
        return layers + sum(
            self._converting(value, lambda name: plan[name] is Precision.INT8) for value in self._readers
        )

    def gain(self, plan: Plan, name: str, precision: Precision) -> float:
        """The seconds that this layer in this precision saves."""
        return self._around(plan, name, plan[name]) - self._around(plan, name, precision)

    def _around(self, plan: Plan, name: str, precision: Precision) -> float:
        def is_int8(layer: str) -> bool:
            return (precision if layer == name else plan[layer]) is Precision.INT8

        touched = dict.fromkeys((*self._graph.layer(name).inputs, name))
        return self._costs[name][precision].seconds + sum(self._converting(value, is_int8) for value in touched)

    def _converting(self, value: str, is_int8: Callable[[str], bool]) -> float:
        """As the engine stores it: codes where every reader takes them, or an integer layer made them for one."""
        readers = [is_int8(reader) and codes for reader, codes in self._readers[value]]
        if not any(readers):
            return 0.0
        made_as_codes = value != INPUT and is_int8(value)
        conversions = readers.count(False) if made_as_codes else 1 if all(readers) else readers.count(True)
        return conversions * self._conversion_s.get(value, 0.0)


def _fastest(estimate: _Estimate, costs: Costs, plan: dict[str, Precision]) -> dict[str, Precision]:
    """Change single layers as long as that saves time; a layer's neighbours decide over it, so more than once."""
    changed = True
    while changed:
        changed = False
        for name, choices in costs.items():
            gains = {precision: estimate.gain(plan, name, precision) for precision in choices}
            best = max(gains, key=lambda precision: gains[precision])
            if gains[best] > _FASTER_S:
                plan[name], changed = best, True
    return plan


def _best_move(estimate: _Estimate, costs: Costs, plan: Plan) -> tuple[str, Precision] | None:
    """The change of one layer that takes away the most noise a second; None where nothing is noisy any more."""

    def worth(name: str, precision: Precision) -> float:
        quieter = costs[name][plan[name]].noise - costs[name][precision].noise
        return quieter / max(-estimate.gain(plan, name, precision), _FASTER_S)

    moves = list(_quieter(costs, plan))
    return max(moves, key=lambda move: worth(*move), default=None)


def _quieter(costs: Costs, plan: Plan) -> Iterator[tuple[str, Precision]]:
    for name, precision in plan.items():
        for other, cost in costs[name].items():
            if cost.noise < costs[name][precision].noise:
                yield name, other
