"""Compiled stages in the object store: published once, fetched by each stage as it starts."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from services.artifacts.folders import download, upload
from services.artifacts.store import ObjectStore
from services.edge.errors import StoreUnavailable
from services.zoo.stage_manifest import FILE_NAME

_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


async def publish(folders: Sequence[Path], store: ObjectStore) -> None:
    """Write each stage's folder below its number."""
    for stage, folder in enumerate(folders):
        await upload(folder, store, str(stage), FILE_NAME)
        _log.info("published stage %d to %s", stage, store.url_of(str(stage)))


async def is_published(store: ObjectStore, stages: int) -> bool:
    """Tell whether every stage is there."""
    return all([await store.exists(f"{stage}/{FILE_NAME}") for stage in range(stages)])


async def fetch(store: ObjectStore, stage: int, folder: Path, sleep: Callable[[float], Awaitable[None]]) -> None:
    """Read one stage into a folder, as soon as it is published; a store that does not answer is asked again.

    Raises:
        StoreRefused, ArtifactNotFound: the store does not allow it, or has no such bucket.
    """
    waiting = False
    while True:
        try:
            if await store.exists(f"{stage}/{FILE_NAME}"):
                return await download(store, str(stage), folder)
        except StoreUnavailable as error:
            _log.warning("asking again: %s", error)
        if not waiting:
            _log.info("waiting for %s", store.url_of(str(stage)))
        waiting = True
        await sleep(_PAUSE_S)
