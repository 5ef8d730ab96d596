"""One model as a process: settings, servers, stopping; `__main__` says what it prints and how it ends."""

import asyncio
import json
import logging
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.edge.address import split_address
from services.edge.cpu_share import thread_count
from services.edge.errors import InvalidDeclaration
from services.edge.exit_code import exit_code_of
from services.edge.grpc_server import GrpcServer, start_grpc
from services.edge.lean_logs import configure_lean_logs
from services.edge.meter import process_began, read_process
from services.edge.stop import stop_event
from services.edge.tracing import start_tracing
from services.model.computing import Forward
from services.model.ledger import Ledger
from services.model.settings import PREFIX, Settings, settings_from
from services.model.start_clock import StartClock
from services.model.usecases import Model
from services.zoo.manifest import Manifest
from services.zoo.serving import import_engine, load_forward, read_picture

if TYPE_CHECKING:
    from services.edge.http_server import HttpServer

_log = logging.getLogger("services.model")


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    start = StartClock(process_began().wall_s, time.perf_counter)
    start.mark("interpreter")
    configure_lean_logs("model")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return exit_code_of(lambda: _run(start), _log)


def _run(start: StartClock) -> None:
    start_tracing("strata-model", os.environ)
    settings = settings_from(os.environ)
    if settings.spare:
        from services.model.spare_process import serve_spare

        asyncio.run(serve_spare(settings))
        return
    folder = _compiled_folder(settings)
    if settings.server == "kserve":
        from services.model.kserve_model import serve_with_kserve

        serve_with_kserve(_model(settings, folder, start), settings)
    else:
        model = _model(settings, folder, start)
        asyncio.run(_serve(model, settings, start))
        _say_what_is_unclaimed(model)


async def _serve(model: Model, settings: Settings, start: StartClock) -> None:
    stop = asyncio.create_task(stop_event().wait())
    grpc_server = await _start_grpc(model, settings) if settings.grpc_address else None
    http_server = None
    try:
        http_server = await _start_http(model, settings) if settings.http_address else None
        loading = asyncio.create_task(model.load())
        await asyncio.wait((stop, loading), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            loading.result()
            start.mark("first_pass")
            if grpc_server:
                await grpc_server.set_ready(True)
            _announce(
                model, grpc_server.port if grpc_server else None, http_server.port if http_server else None, start
            )
        await stop
        _log.info("draining")
    finally:
        # At once: neither takes what comes while the other's requests end.
        over_grpc = [grpc_server.drain(settings.drain_s)] if grpc_server else []
        over_http = [http_server.drain()] if http_server else []
        await asyncio.gather(*over_grpc, *over_http)


async def _start_grpc(model: Model, settings: Settings) -> GrpcServer:
    from services.model.grpc_api import SERVICE, InferenceServicer

    add = InferenceServicer(model).add_to
    at_most = model.admission.server_limit
    return await start_grpc(settings.grpc_address, [(SERVICE, add)], settings.max_message_bytes, at_most)


async def _start_http(model: Model, settings: Settings) -> "HttpServer":
    # Imported here: where HTTP is off, a cold start does not pay for it.
    from services.edge.http_server import start_http
    from services.model.http_api import create_app

    host, port = split_address(settings.http_address)
    app = create_app(model, settings.max_message_bytes, model.admission.server_limit)
    return await start_http(app, host, port, settings.drain_s)


def _say_what_is_unclaimed(model: Model) -> None:
    """Say it last: what this process spends after that is on no account."""
    unclaimed = model.unclaimed()
    fields = {"unclaimed_cpu_seconds": unclaimed.cpu_seconds, "unclaimed_gb_seconds": unclaimed.gb_seconds}
    print(json.dumps({"event": "ended", "model": model.manifest.name, **fields}), flush=True)


def _announce(model: Model, grpc_port: int | None, http_port: int | None, start: StartClock) -> None:
    ports = {"grpc_port": grpc_port, "http_port": http_port}
    print(json.dumps({"event": "ready", "model": model.manifest.name, **ports}), flush=True)
    fields = {"model": model.manifest.name, "version": model.manifest.version, "runtime": model.manifest.runtime}
    _log.info("ready", extra={"fields": {**fields, **ports, "start_ms": start.phases_ms}})


def _compiled_folder(settings: Settings) -> Path:
    if settings.compiled:
        return Path(settings.compiled)
    # Imported here: a model that is known to be compiled starts without them.
    from services.zoo.cache_folder import default_cache
    from services.zoo.catalog import default_catalog
    from services.zoo.model_compile import compile_model

    model_file = default_catalog(os.environ).model(settings.name)
    return compile_model(model_file, default_cache(os.environ), model_file.runtime)


def _load(manifest: Manifest, folder: Path, threads: int, start: StartClock) -> Forward:
    start.mark("servers")
    import_engine(manifest.runtime, folder)
    start.mark("engine")
    forward = load_forward(manifest.runtime, folder, threads)
    start.mark("weights")
    return forward


def _model(settings: Settings, folder: Path, start: StartClock) -> Model:
    manifest = Manifest.read(folder)
    threads = settings.threads or thread_count()
    if settings.name not in ("", manifest.name):
        raise InvalidDeclaration(f"{PREFIX}NAME is '{settings.name}', but {folder} holds '{manifest.name}'")
    return Model(
        manifest,
        load=partial(_load, manifest, folder, threads, start),
        read_picture=partial(read_picture, manifest.input_spec),
        max_batch=settings.max_batch,
        max_queue=settings.max_queue,
        read_meter=read_process,
        ledger=Ledger(process_began(), one_thread=threads == 1),
    )
