"""One stage as a process: settings, server, stopping; `__main__` says what it prints and how it ends."""

import asyncio
import json
import logging
import os
import tempfile
from functools import partial
from pathlib import Path

from services.artifacts.store import open_store, split_url
from services.edge.cpu_share import thread_count
from services.edge.errors import InvalidDeclaration, StrataError
from services.edge.grpc_server import start_grpc
from services.edge.lean_logs import configure_lean_logs
from services.edge.memory_share import memory_limit_bytes
from services.edge.meter import peak_bytes, read_process
from services.edge.stop import stop_event
from services.edge.tracing import start_tracing
from services.stage.domain import message_bytes
from services.stage.grpc_api import SERVICE, StageServicer
from services.stage.publishing import fetch
from services.stage.settings import PREFIX, Settings, settings_from
from services.stage.shared_meter import SharedMeter
from services.stage.usecases import Stage, StageLimits
from services.zoo.serving import load_forward, read_picture
from services.zoo.stage_manifest import StageManifest

_log = logging.getLogger("services.stage")


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    configure_lean_logs("stage")
    try:
        start_tracing("strata-stage", os.environ)
        settings = settings_from(os.environ)
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(_serve(settings, _compiled_folder(settings, Path(scratch))))
    except (StrataError, OSError) as error:
        _log.error("%s: %s", type(error).__name__, error)
        return 2
    except Exception:
        _log.exception("cannot serve")
        return 1
    return 0


async def _serve(settings: Settings, folder: Path) -> None:
    stop = asyncio.create_task(stop_event().wait())
    stage = _stage(settings, folder)
    services = [(SERVICE, StageServicer(stage).add_to)]
    server = await start_grpc(
        settings.grpc_address, services, message_bytes(stage.manifest), stage.admission.server_limit
    )
    try:
        loading = asyncio.create_task(stage.load())
        await asyncio.wait((stop, loading), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            await server.set_ready(True)
            _announce(stage.manifest, server.port)
        await stop
        _log.info("draining")
    finally:
        await server.drain(settings.drain_s)


def _compiled_folder(settings: Settings, scratch: Path) -> Path:
    """The folder of the compiled stage; one that is published is waited for, and copied to `scratch`."""
    if "://" not in settings.compiled:
        return Path(settings.compiled)
    url, stage = split_url(settings.compiled)
    if not stage.isdecimal():
        raise InvalidDeclaration(f"{PREFIX}COMPILED: '{settings.compiled}' does not end in a stage's number")
    asyncio.run(fetch(open_store(url), int(stage), scratch, asyncio.sleep))
    return scratch


def _stage(settings: Settings, folder: Path) -> Stage:
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
        meter=SharedMeter(read_process),
        resident_bytes=lambda: read_process().resident_bytes,
        peak_bytes=peak_bytes,
    )


def _announce(manifest: StageManifest, port: int) -> None:
    print(json.dumps({"event": "ready", "stage": manifest.name, "grpc_port": port}), flush=True)
    fields = {"model": manifest.model, "chain": manifest.chain, "stage": manifest.name, "runtime": manifest.runtime}
    _log.info("ready", extra={"fields": {**fields, "grpc_port": port}})
