"""The front door as a process: settings, graph, servers, stopping; `__main__` says what it prints and how it ends."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager

from services.edge.errors import NotReady, StrataError
from services.edge.logs import configure_logs
from services.edge.stop import stop_event
from services.edge.tracing import start_tracing
from services.ensemble.front_door import open_front_door
from services.ensemble.loading import load_ensembles
from services.ensemble.served import Served
from services.ensemble.settings import Settings, settings_from
from services.ensemble.usecases import EnsembleGraph
from services.ensemble.vigil import keep_vigil

_log = logging.getLogger("services.ensemble")


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    configure_logs("ensemble")
    try:
        start_tracing("strata-ensemble", os.environ)
        asyncio.run(_serve(settings_from(os.environ)))
    except (StrataError, OSError) as error:
        _log.error("%s: %s", type(error).__name__, error)
        return 1 if isinstance(error, NotReady) else 2
    except Exception:
        _log.exception("cannot serve")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    stopped_early = stop_event()
    served = load_ensembles(settings.files, os.environ)
    async with _open(served, settings) as graph:
        stop = stop_event()  # anew: Ray takes the signals for itself when it starts
        door = await open_front_door(graph, settings)
        ports = {"grpc_port": door.grpc_port, "http_port": door.http_port}
        print(json.dumps({"event": "ready", **ports}), flush=True)
        _log.info("ready %s", ports)
        await door.set_ready(True)
        vigil = asyncio.create_task(keep_vigil(graph.check, door.follow))
        if not stopped_early.is_set():
            await stop.wait()
        _log.info("draining")
        vigil.cancel()
        await door.drain(settings.drain_s)


def _open(served: Mapping[str, Served], settings: Settings) -> AbstractAsyncContextManager[EnsembleGraph]:
    # Imported here: a graph in this process needs torch and no Ray, a front door beside Ray the opposite.
    if settings.executor == "embedded":
        from services.ensemble.graph import open_graph

        return open_graph(served, settings)
    from services.ensemble.ray_graph import open_ray_graph

    return open_ray_graph(served, settings)
