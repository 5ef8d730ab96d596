"""The workbench as a process: settings, store, server, stopping; `__main__` says what it prints and how it ends."""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from functools import partial

import torch

from services.artifacts.store import open_store
from services.edge.cpu_share import thread_count
from services.edge.exit_code import exit_code_of
from services.edge.freed_memory import keep_returning_freed_memory
from services.edge.grpc_server import start_grpc
from services.edge.logs import configure_logs
from services.edge.owner_token import verify_owner
from services.edge.stop import stop_event
from services.workbench.compute_pool import ComputePool
from services.workbench.engine_model import EngineModel
from services.workbench.grpc_api import SERVICE, WorkbenchServicer
from services.workbench.opening import known_names, open_from_afar
from services.workbench.session_log import NamedModel
from services.workbench.settings import Settings, settings_from
from services.workbench.workbench import Workbench
from services.zoo.catalog import default_catalog

_log = logging.getLogger("services.workbench")


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    configure_logs("workbench")
    return exit_code_of(lambda: asyncio.run(serve(settings_from(os.environ), announce)), _log)


def announce(port: int) -> None:
    """Say on standard output, as one JSON line, that the server is ready."""
    print(json.dumps({"event": "ready", "grpc_port": port}), flush=True)


async def serve(settings: Settings, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        ready: called with the port once the server answers.
    Raises:
        StrataError: a fault of the settings or the store.
        OSError: the address is taken or not ours.
    """
    stop = stop_event()
    # Of every thread that starts from now on.
    torch.set_num_threads(settings.threads or max(1, thread_count() // settings.workers))
    catalog = default_catalog(os.environ)

    def open_named(named: NamedModel) -> EngineModel:
        return open_from_afar(named.name, catalog, named.weights, named.size)

    store = open_store(settings.store, create=True)
    with ComputePool(settings.workers) as pool:
        # A run frees many times what its session keeps, in memory of each thread's own.
        returning = asyncio.create_task(keep_returning_freed_memory(pool.has_worked), name="freed memory")
        workbench = Workbench(store, open_named, pool, time.perf_counter, settings.limits)
        verify = partial(verify_owner, settings.token_key, time.time) if settings.token_key else None
        servicer = WorkbenchServicer(workbench, lambda: known_names(catalog), settings.max_pictures_bytes, verify)
        services = [(SERVICE, servicer.add_to)]
        server = await start_grpc(settings.grpc_address, services, settings.max_message_bytes, settings.max_calls)
        await server.set_ready(True)
        ready(server.port)
        _log.info("ready on port %d, store %s", server.port, store.url)
        await stop.wait()
        _log.info("draining")
        await server.drain(settings.drain_s)
        returning.cancel()
