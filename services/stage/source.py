"""Where a stage's micro-batches come from: a record's pictures, or the activation of the stage before."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeAlias, TypeVar

from services.artifacts.activation import Header, PictureState, StageOutcome, read_activation
from services.artifacts.precision import Values
from services.artifacts.record import Picture, read_record
from services.artifacts.store import ObjectStore
from services.stage.domain import check_header, input_header
from services.zoo.stage_manifest import StageManifest

Batch: TypeAlias = "list[Picture] | Values"

_Item = TypeVar("_Item")


async def batches(
    store: ObjectStore, key: str, manifest: StageManifest, length: int, states: list[PictureState]
) -> AsyncIterator[Batch]:
    """Read a stage's input, micro-batch by micro-batch.

    Args:
        length: the most pictures of one micro-batch.
        states: takes the pictures' states from the stage before; of a record the decoder knows them.
    Raises:
        ForeignFile, OtherVersion, DamagedFile, OtherChain: the input is not what this stage takes.
    """
    url = store.url_of(key)
    if manifest.is_first:
        batch: list[Picture] = []
        async for picture in read_record(store.stream(key), url):
            batch.append(picture)
            if len(batch) == length:
                yield batch
                batch = []
        if batch:
            yield batch
        return
    async for part in read_activation(store.stream(key), url):
        if isinstance(part, Header):
            check_header(part, input_header(manifest, part.precision), url)
        elif isinstance(part, StageOutcome):
            states += part.pictures
        else:
            for start in range(0, len(part), length):
                yield part[start : start + length]


async def one_ahead(items: AsyncIterator[_Item]) -> AsyncIterator[_Item]:
    """Have the next item read while the one before is worked on."""
    iterator = items.__aiter__()
    pending: asyncio.Task[_Item] = asyncio.ensure_future(anext(iterator))
    try:
        while True:
            try:
                item = await pending
            except StopAsyncIteration:
                return
            pending = asyncio.ensure_future(anext(iterator))
            yield item
    finally:
        pending.cancel()
