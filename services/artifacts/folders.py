"""A folder of files in the store: there once its last file is, which is written last."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from services.artifacts.store import PART_BYTES, ObjectStore


async def upload(folder: Path, store: ObjectStore, prefix: str, last: str) -> None:
    """Write a folder's files below `prefix`; the one called `last` says that all are there."""
    names = sorted((path.name for path in folder.iterdir()), key=lambda name: (name == last, name))
    for name in names:
        await store.write_stream(f"{prefix}/{name}", _read(folder / name))


async def download(store: ObjectStore, prefix: str, folder: Path) -> None:
    """Copy the files below `prefix` into a folder. Raises as `ObjectStore`."""
    for key in await store.keys(f"{prefix}/"):
        await store.copy_out(key, folder / key.rpartition("/")[2])


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PART_BYTES):
            yield piece
