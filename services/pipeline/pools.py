"""How large the pool of actors is that stands for each stage, and what each actor asks of its cluster."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterSize:
    """What there is; `cpus` of all nodes together."""

    nodes: int
    cpus: float


@dataclass(frozen=True)
class Pool:
    """The actors of one stage.

    Attributes:
        at_a_time: records that one actor computes at a time, on one thread each.
        cpus, memory_bytes: what one actor reserves; memory 0 is none.
    """

    actors: int
    at_a_time: int
    cpus: float
    memory_bytes: int


def pools_of(workers: int, cluster: ClusterSize, memory_bytes: Sequence[int]) -> list[Pool]:
    """One actor of each stage on each node, as far as there are records for them; together they leave no CPU over.

    As in processes of this machine, any stage can use all CPUs of its node while the others have nothing to do.

    Args:
        workers: records under way at a time.
        memory_bytes: of one actor of each stage, in the stages' order.
    """
    actors = max(1, min(workers, cluster.nodes))
    at_a_time = max(1, min(math.ceil(workers / actors), math.floor(cluster.cpus / cluster.nodes)))
    share = min(at_a_time, cluster.cpus / (actors * len(memory_bytes)))
    # Ray counts in ten-thousandths; rounded up, the last actor would never find room.
    cpus = math.floor(1e4 * share) / 1e4
    return [Pool(actors, at_a_time, cpus, memory) for memory in memory_bytes]


def under_way_on(workers: int) -> int:
    """How many records are under way with an engine that computes `workers` at a time: as many wait for their turn.

    An engine takes some milliseconds to hand a record on; no actor stands still meanwhile.
    """
    return 2 * workers
