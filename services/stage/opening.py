"""A stage from its settings, in whichever process it runs."""

import asyncio
from functools import partial
from pathlib import Path

from services.artifacts.store import open_store, split_url
from services.edge.cpu_share import thread_count
from services.edge.errors import InvalidDeclaration
from services.edge.memory_share import memory_limit_bytes
from services.edge.meter import Reading, peak_bytes, read_process
from services.stage.publishing import fetch
from services.stage.settings import PREFIX, Settings
from services.stage.shared_meter import SharedMeter
from services.stage.usecases import Stage, StageLimits
from services.zoo.serving import load_forward, read_picture
from services.zoo.stage_manifest import StageManifest


def compiled_folder(settings: Settings, scratch: Path) -> Path:
    """Find the folder of the compiled stage; one that is published is waited for, and copied to `scratch`."""
    if "://" not in settings.compiled:
        return Path(settings.compiled)
    url, stage = split_url(settings.compiled)
    if not stage.isdecimal():
        raise InvalidDeclaration(f"{PREFIX}COMPILED: '{settings.compiled}' does not end in a stage's number")
    asyncio.run(fetch(open_store(url), int(stage), scratch, asyncio.sleep))
    return scratch


def stage_of(settings: Settings, folder: Path, began: Reading) -> Stage:
    """Put the stage together; it is not loaded yet.

    Args:
        began: from when on what this process uses is the stage's.
    """
    manifest = StageManifest.read(folder)
    concurrency = settings.concurrency or thread_count()
    threads = settings.threads or max(1, thread_count() // concurrency)
    limits = StageLimits(
        stores=tuple(settings.stores.split()),
        concurrency=concurrency,
        waiting=settings.max_queue,
        micro_batch=settings.micro_batch,
        memory_bytes=memory_limit_bytes(),
    )
    return Stage(
        manifest,
        load=partial(load_forward, manifest.runtime, folder, threads),
        read_picture=partial(read_picture, manifest.input_spec),
        open_store=open_store,
        limits=limits,
        meter=SharedMeter(read_process, began),
        resident_bytes=lambda: read_process().resident_bytes,
        peak_bytes=peak_bytes,
    )
