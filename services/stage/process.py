"""One stage as a process: settings, server, stopping; `__main__` says what it prints and how it ends."""

import asyncio
import json
import logging
import os
import tempfile
from pathlib import Path

from services.edge.exit_code import exit_code_of
from services.edge.grpc_server import start_grpc
from services.edge.lean_logs import configure_lean_logs
from services.edge.meter import process_began
from services.edge.stop import stop_event
from services.edge.tracing import start_tracing
from services.stage.domain import message_bytes
from services.stage.grpc_api import SERVICE, StageServicer
from services.stage.opening import compiled_folder, stage_of
from services.stage.settings import Settings, settings_from
from services.zoo.stage_manifest import StageManifest

_log = logging.getLogger("services.stage")


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    configure_lean_logs("stage")
    return exit_code_of(_run, _log)


def _run() -> None:
    start_tracing("strata-stage", os.environ)
    settings = settings_from(os.environ)
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(_serve(settings, compiled_folder(settings, Path(scratch))))


async def _serve(settings: Settings, folder: Path) -> None:
    stop = asyncio.create_task(stop_event().wait())
    stage = stage_of(settings, folder, process_began())
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


def _announce(manifest: StageManifest, port: int) -> None:
    print(json.dumps({"event": "ready", "stage": manifest.name, "grpc_port": port}), flush=True)
    fields = {"model": manifest.model, "chain": manifest.chain, "stage": manifest.name, "runtime": manifest.runtime}
    _log.info("ready", extra={"fields": {**fields, "grpc_port": port}})
