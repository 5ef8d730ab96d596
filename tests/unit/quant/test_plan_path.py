"""From the fastest plan to float: which layer changes first, and what a change between neighbours costs."""

from itertools import pairwise

import pytest

from quant.graph import Graph
from quant.layer_costs import LayerCost
from quant.plan_path import plan_noise, plan_path, quietest_in_time, spaced
from quant.precision import Mode, Plan, Precision, supports, uniform_plan

FLOAT, HYBRID, INT8 = Precision


def costs_of(graph: Graph, **noise: float) -> dict[str, dict[Precision, LayerCost]]:
    """Float 3 ms, hybrid 2 and int8 1 where there is a kernel; a layer's noise as said, else 1e-4."""
    seconds = {FLOAT: 3e-3, HYBRID: 2e-3, INT8: 1e-3}
    return {
        layer.name: {
            each: LayerCost(seconds[each], 0.0 if each is FLOAT else noise.get(layer.name, 1e-4))
            for each in Precision
            if supports(layer.operation, each)
        }
        for layer in graph.layers
    }


def changes(path: list[Plan]) -> list[str]:
    """The layer that each step changes."""
    return [next(name for name in after if after[name] != before[name]) for before, after in pairwise(path)]


def test_a_path_leads_from_the_fastest_plan_to_float_with_less_noise_at_each_step(graph: Graph) -> None:
    costs = costs_of(graph)
    path = plan_path(graph, costs, {})
    assert path[0] == uniform_plan(graph, Mode.INT8)
    assert path[-1] == uniform_plan(graph, Mode.FLOAT)
    noises = [plan_noise(plan, costs) for plan in path]
    assert noises == sorted(noises, reverse=True)
    assert noises[-1] == 0


def test_the_noisiest_layer_for_its_time_gives_way_first(graph: Graph) -> None:
    assert changes(plan_path(graph, costs_of(graph, deep=1e-2, stem=1e-3), {}))[:2] == ["deep", "stem"]
    costs = costs_of(graph, deep=1e-2, stem=1e-3)
    costs["deep"][FLOAT] = LayerCost(1.0, 0.0)  # quieter, and a hundred times as slow as the noise is worth
    assert changes(plan_path(graph, costs, {}))[0] == "stem"


def test_a_layer_that_integers_slow_down_starts_in_float(graph: Graph) -> None:
    costs = costs_of(graph)
    costs["stem"][FLOAT] = LayerCost(0.5e-3, 0.0)
    assert plan_path(graph, costs, {})[0]["stem"] is FLOAT
    # unless coding its value for those that read it takes longer than it saves
    assert plan_path(graph, costs, {"stem": 5e-3})[0]["stem"] is INT8


def test_the_quietest_in_time_is_the_last_that_hardly_takes_longer(graph: Graph) -> None:
    costs = costs_of(graph, deep=1e-2, stem=1e-3)
    for name, seconds in (("deep", 1.1e-3), ("stem", 1.1e-3), ("raw", 1.9e-3)):
        costs[name][FLOAT] = LayerCost(seconds, 0.0)
    path = plan_path(graph, costs, {})
    # int8 takes 12 ms, its head in float among them: 0.1 ms for each of the first two are within 2 %, 0.9 ms are not
    quiet = quietest_in_time(graph, path, costs, {})
    assert {name for name in quiet if quiet[name] is not path[0][name]} == {"deep", "stem"}


def test_spaced_plans_keep_both_ends(graph: Graph) -> None:
    costs = costs_of(graph, deep=1e-2, stem=1e-3)
    path = plan_path(graph, costs, {})
    few = spaced(path, costs, 4)
    assert len(few) <= 4
    assert few[0] == path[0]
    assert few[-1] == path[-1]
    assert [path.index(plan) for plan in few] == sorted({path.index(plan) for plan in few})
    assert spaced(path, costs, len(path)) == path


@pytest.mark.parametrize("most", [3, 5, 8])
def test_spaced_plans_of_layers_alike_are_all_different(graph: Graph, most: int) -> None:
    costs = costs_of(graph)
    path = plan_path(graph, costs, {})
    few = spaced(path, costs, most)
    assert all(few.count(plan) == 1 for plan in few)
