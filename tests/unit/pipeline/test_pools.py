"""Pools fit their cluster, whatever it is."""

import math

from hypothesis import given
from hypothesis import strategies as st

from services.pipeline.pools import ClusterSize, Pool, pools_of


def test_one_machine_has_one_actor_a_stage_as_it_has_one_process() -> None:
    assert pools_of(2, ClusterSize(1, 2), [0, 0, 7]) == [Pool(1, 2, 0.6666, memory) for memory in (0, 0, 7)]


def test_a_cluster_has_an_actor_on_each_node_that_there_are_records_for() -> None:
    assert pools_of(64, ClusterSize(4, 64), [0] * 4) == [Pool(4, 16, 4.0, 0)] * 4
    assert pools_of(3, ClusterSize(4, 64), [0] * 4) == [Pool(3, 1, 1.0, 0)] * 4


@given(st.integers(1, 1024), st.integers(1, 64), st.integers(1, 256), st.integers(1, 30))
def test_all_actors_find_room_at_once(workers: int, nodes: int, cpus: int, stages: int) -> None:
    pools = pools_of(workers, ClusterSize(nodes, cpus), [0] * stages)
    # Ray keeps account in ten-thousandths.
    assert sum(pool.actors * round(1e4 * pool.cpus) for pool in pools) <= 1e4 * cpus
    for pool in pools:
        assert 1 <= pool.actors <= max(1, nodes)
        assert 1 <= pool.at_a_time <= math.ceil(workers / pool.actors)
        assert pool.cpus <= pool.at_a_time
