"""Compiled stages on Ray, for `strata pipeline run --executor ray`."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from services.artifacts.store import ObjectStore, open_store
from services.edge.errors import Unsupported
from services.edge.progress import Progress
from services.edge.ray_cluster import cluster_address, join_cluster, start_head
from services.local.stages import stage_settings
from services.pipeline.fed_stages import FedStages
from services.pipeline.pools import pools_of
from services.pipeline.ray_data import cluster_size, open_ray_stages
from services.stage.journey import open_stage
from services.stage.publishing import is_published, publish
from services.zoo.stage_manifest import StageManifest

_PUBLISHED = ".stages"
"""Below the answers; no job has such a name."""


def check_ray_data() -> None:
    """See that Ray Data can be used. Raises Unsupported: what it needs is not installed."""
    if not all(map(find_spec, ("ray", "pandas", "pyarrow"))):
        raise Unsupported("--executor ray: Ray Data is not installed; in Strata's source: pip install '.[ray-data]'")


@asynccontextmanager
async def ray_stages(
    folders: Sequence[Path],
    records: ObjectStore,
    output: ObjectStore,
    workers: int,
    memory_bytes: Mapping[str, int],
    progress: Progress,
) -> AsyncIterator[FedStages]:
    """Open stages on the cluster that RAY_ADDRESS names, or beside a head of our own that ends with the block.

    Args:
        memory_bytes: that an actor of a stage reserves, by the stage's name.
    Raises:
        InvalidDeclaration: RAY_ADDRESS is not host:port.
        NotReady: no head answers, or none starts.
    """
    address = cluster_address(os.environ)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    progress(f"joining Ray at {address}" if address else "starting Ray")
    # In this thread, though it blocks: Ray wants the main one, and nothing else is under way yet.
    join_cluster(address) if address else start_head()
    import ray

    try:
        places = await _published(folders, output) if address else None
        async with stages_on_ray(folders, records, output, workers, memory_bytes, places) as stages:
            yield stages
    finally:
        ray.shutdown()  # ends a head of our own with all its processes


@asynccontextmanager
async def stages_on_ray(
    folders: Sequence[Path],
    records: ObjectStore,
    output: ObjectStore,
    workers: int,
    memory_bytes: Mapping[str, int],
    places: Sequence[str] | None = None,
) -> AsyncIterator[FedStages]:
    """Open stages on the cluster that this process is joined to; `places` are where its machines find the stages."""
    manifests = [StageManifest.read(folder) for folder in folders]
    pools = pools_of(workers, cluster_size(), [memory_bytes.get(each.name, 0) for each in manifests])
    settings = {
        manifest.name: {
            **stage_settings(folder, [records.url, output.url]),
            "STAGE_COMPILED": place,
            "STAGE_CONCURRENCY": str(pool.at_a_time),
        }
        for manifest, folder, place, pool in zip(
            manifests, folders, places or [str(each.resolve()) for each in folders], pools, strict=True
        )
    }
    # A cluster's machines need not know where this command's traces go.
    tracing = {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
    async with open_ray_stages(open_stage, settings, pools, tracing) as stages:
        yield stages


async def _published(folders: Sequence[Path], output: ObjectStore) -> list[str]:
    """Put the compiled stages where every machine of the cluster finds them."""
    chain = StageManifest.read(folders[0]).chain
    store = open_store(f"{output.url.rstrip('/')}/{_PUBLISHED}/{chain}", create=True)
    if not await is_published(store, len(folders)):
        await publish(folders, store)
    return [store.url_of(str(stage)) for stage in range(len(folders))]
