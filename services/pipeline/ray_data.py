"""The stages of a chain in Ray Data: one dataset, fed while it runs, and an actor pool for each stage."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from services.edge.errors import ExecutorLost
from services.pipeline.fed_stages import FedStages
from services.pipeline.feed import Feed
from services.pipeline.pools import ClusterSize, Pool

if TYPE_CHECKING:
    from ray.data import Dataset

_START_TIMEOUT_S = 300.0
_END_TIMEOUT_S = 5.0
"""What is under way when the block ends need not end: Ray stops it."""
_Row: TypeAlias = dict[str, Any]
"""`number` of a journey, and the `journey`."""


class TakesJourneys(Protocol):
    """A stage where an actor has opened it."""

    async def take(self, journey: bytes, begun: int) -> bytes: ...


OpenStage: TypeAlias = Callable[[Mapping[str, str]], TakesJourneys]
"""By its settings; called in the actor."""


def cluster_size() -> ClusterSize:
    """What the cluster that this process is joined to has."""
    import ray

    nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    return ClusterSize(nodes, ray.cluster_resources().get("CPU", 1.0))


@asynccontextmanager
async def open_ray_stages(
    open_stage: OpenStage,
    settings: Mapping[str, Mapping[str, str]],
    pools: Sequence[Pool],
    environment: Mapping[str, str],
) -> AsyncIterator[FedStages]:
    """Start a pool for each stage on the cluster that this process is joined to, until the block ends.

    Args:
        settings: of each stage, by its name, in their order.
        environment: variables that every actor has beside its machine's own.
    """
    import ray

    feed = ray.remote(num_cpus=0)(Feed).remote()
    stages = FedStages(_Sender(feed), len(pools), _START_TIMEOUT_S)
    # numpy's products are small: a second thread of OpenBLAS costs more than it computes.
    dataset = _dataset(feed, open_stage, settings, pools, {**environment, "OPENBLAS_NUM_THREADS": "1"})
    giving_back = threading.Thread(target=_give_back, args=(dataset, stages, asyncio.get_running_loop()), daemon=True)
    giving_back.start()
    try:
        yield stages
    finally:
        with suppress(ExecutorLost):
            await _call(feed.close.remote())
        await asyncio.to_thread(giving_back.join, _END_TIMEOUT_S)


def _dataset(
    feed: Any,
    open_stage: OpenStage,
    settings: Mapping[str, Mapping[str, str]],
    pools: Sequence[Pool],
    environment: Mapping[str, str],
) -> "Dataset":
    from ray.data import ActorPoolStrategy, read_datasource

    from services.pipeline.ray_source import FeedSource

    _set_context()
    dataset = read_datasource(FeedSource(feed), override_num_blocks=1, num_cpus=0)
    for number, ((name, each), pool) in enumerate(zip(settings.items(), pools, strict=True)):
        dataset = dataset.map(
            type(name, (_Actor,), {}),  # Ray calls actors by their class
            fn_constructor_args=(partial(open_stage, each), feed, number),
            compute=ActorPoolStrategy(size=pool.actors, max_concurrent_calls_per_actor=pool.at_a_time),
            num_cpus=pool.cpus,
            memory=pool.memory_bytes or None,
            runtime_env={"env_vars": dict(environment)},
        )
    return dataset


def _set_context() -> None:
    from ray.data import DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # A block of its own for each row, so that none waits for another.
    context.target_max_block_size = 1
    # Whether a record takes too long is not the engine's to say.
    context.execution_no_progress_timeout_s = -1


def _give_back(dataset: "Dataset", stages: FedStages, loop: asyncio.AbstractEventLoop) -> None:
    """Hand each journey back as it arrives; in a thread of its own, as Ray Data blocks."""
    why = "Ray Data has ended"
    try:
        for row in _rows(dataset):
            loop.call_soon_threadsafe(stages.arrived, row["number"], row["journey"])
    except Exception as error:
        why = f"Ray Data has ended: {error}"
    if not loop.is_closed():
        loop.call_soon_threadsafe(stages.ended, why)


def _rows(dataset: "Dataset") -> Iterator[_Row]:
    """Each row as soon as it is there: `iter_rows` holds one back until the next one comes."""
    import ray

    for bundle in dataset.iter_internal_ref_bundles():
        for block in bundle.blocks:
            yield from ray.get(block.ref).to_pylist()


class _Sender:
    """The way to the feed's actor."""

    def __init__(self, feed: Any):
        self._feed = feed

    async def put(self, number: int, journey: bytes) -> None:
        await _call(self._feed.put.remote(number, journey))

    async def news(self, number: int, stage: int) -> bytes:
        found: bytes = await _call(self._feed.news.remote(number, stage))
        return found

    async def forget(self, number: int) -> None:
        await _call(self._feed.forget.remote(number))


async def _call(reference: Any) -> Any:
    from ray.exceptions import RayError

    try:
        return await reference
    except RayError as error:
        raise ExecutorLost(f"the actor that feeds Ray Data is gone: {error}") from error


class _Actor:
    """What Ray Data makes the actors of a pool from."""

    def __init__(self, open_stage: Callable[[], TakesJourneys], feed: Any, number: int):
        self._stage = open_stage()
        self._feed = feed
        self._number = number

    async def __call__(self, row: _Row) -> _Row:
        begun = await self._feed.begin.remote(row["number"], self._number, row["journey"])
        if not begun:  # its driver has gone: what the stage would write, nobody would remove
            return row
        return {**row, "journey": await self._stage.take(row["journey"], begun)}
