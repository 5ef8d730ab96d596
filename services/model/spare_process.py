"""A spare process of models: engines imported, a server that is ready, and whichever model is asked for first."""

import asyncio
import json
import logging
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from services.edge.admission import Admission
from services.edge.cpu_share import thread_count
from services.edge.errors import ModelNotFound
from services.edge.grpc_server import start_grpc
from services.edge.meter import process_began, read_process
from services.edge.stop import stop_event
from services.model.grpc_api import SERVICE, InferenceServicer
from services.model.ledger import Ledger
from services.model.settings import Settings
from services.model.spare import Spare
from services.model.usecases import Model
from services.zoo.manifest import Manifest
from services.zoo.serving import import_engine, load_forward, read_picture

_LOOK_S = 1.0

_log = logging.getLogger("services.model")


async def serve_spare(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ArtifactNotFound, InvalidDeclaration: a folder of MODEL_SPARE is not that of a compiled model.
        Unsupported: an engine that one of them needs is not installed here.
    """
    stop = stop_event()
    folders = _models_of(settings.spare)
    for manifest, folder in folders.values():
        import_engine(manifest.runtime, folder)
    spare = Spare(partial(_open_model, settings, folders, _ledger(settings)), settings.rest_s, time.monotonic)
    at_most = Admission(settings.max_queue, "requests").server_limit
    add = InferenceServicer(spare).add_to
    async with AsyncExitStack() as servers:
        server = await start_grpc(settings.grpc_address, [(SERVICE, add)], settings.max_message_bytes, at_most)
        servers.push_async_callback(server.drain, settings.drain_s)
        await server.set_ready(True)
        fields = {"spare": sorted(folders), "grpc_port": server.port, "http_port": None}
        print(json.dumps({"event": "ready", **fields}), flush=True)
        _log.info("ready", extra={"fields": fields})
        letting_go = asyncio.create_task(_keep_letting_go(spare))
        await stop.wait()
        letting_go.cancel()
        _log.info("draining")


def _models_of(folders: str) -> dict[str, tuple[Manifest, Path]]:
    found = {folder: Manifest.read(folder) for folder in map(Path, folders.split(","))}
    return {manifest.name: (manifest, folder) for folder, manifest in found.items()}


def _ledger(settings: Settings) -> Ledger:
    """One account for all models that the process will be: what it holds between them goes to the next one's first."""
    return Ledger(process_began(), one_thread=_threads(settings) == 1)


def _open_model(settings: Settings, models: dict[str, tuple[Manifest, Path]], ledger: Ledger, name: str) -> Model:
    if name not in models:
        raise ModelNotFound(f"this spare process has no model '{name}', but {', '.join(models)}")
    manifest, folder = models[name]
    return Model(
        manifest,
        load=partial(load_forward, manifest.runtime, folder, _threads(settings)),
        read_picture=partial(read_picture, manifest.input_spec),
        max_batch=settings.max_batch,
        max_queue=settings.max_queue,
        read_meter=read_process,
        ledger=ledger,
    )


def _threads(settings: Settings) -> int:
    return settings.threads or thread_count()


async def _keep_letting_go(spare: Spare) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        spare.let_go_if_rested()
