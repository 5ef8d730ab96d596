"""The console as a process: settings, stores, server, stopping; `__main__` says what it prints and how it ends."""

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import grpc

from services.artifacts.store import open_store
from services.console.accounts import Accounts
from services.console.database import open_database_within
from services.console.front_door import FrontDoorClient
from services.console.http_api import create_http_app
from services.console.http_callers import Console
from services.console.links import Links
from services.console.member_pods import Pods, nowhere, pods_of
from services.console.passwords import Argon2Hasher
from services.console.pipeline_jobs import PipelineJobs
from services.console.runs import Runs
from services.console.settings import Settings, settings_from
from services.console.sql_records import SqlRecords
from services.console.user_files import UserFiles
from services.console.workbench_client import WorkbenchClient, WorkbenchInference
from services.console.workbench_copies import WorkbenchCopies
from services.edge.address import split_address
from services.edge.errors import InvalidDeclaration
from services.edge.exit_code import exit_code_of
from services.edge.grpc_channel import open_channel
from services.edge.http_app import Health, start_http
from services.edge.logs import configure_logs
from services.edge.owner_token import sign_owner
from services.edge.stop import stop_event

_log = logging.getLogger("services.console")

_DATABASE_STARTS_WITHIN_S = 60.0
"""Knative gives up a revision whose first pod ends, so that a pod may not end for a database that starts beside it."""


class Installed(NamedTuple):
    """What runs beside a console now: the URL of the ensembles' front door, the outputs of pipelines, members' pods."""

    front_door: Callable[[], str]
    outputs: Callable[[], Sequence[str]]
    pods: Pods = nowhere


def main() -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    configure_logs("console")
    return exit_code_of(lambda: asyncio.run(_serve_alone(settings_from(os.environ))), _log)


async def _serve_alone(settings: Settings) -> None:
    if not settings.workbench:
        raise InvalidDeclaration("CONSOLE_WORKBENCH: is missing: host:port of the workbench")
    channel = open_channel(settings.workbench, settings.workbench_authority)

    async def to_workbench() -> grpc.aio.Channel:
        return channel

    try:
        await serve(
            settings, to_workbench, lambda port: print(json.dumps({"event": "ready", "port": port}), flush=True)
        )
    finally:
        await channel.close()


async def serve(
    settings: Settings,
    channel: Callable[[], Awaitable[grpc.aio.Channel]],
    ready: Callable[[int], None],
    installed: Installed | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        channel: to the workbench; asked for at each call.
        ready: called with the port once the server answers.
        installed: what else runs beside it, where that changes; the settings say it otherwise.
    Raises:
        StrataError: a fault of the settings, the database or the store.
        OSError: the address is taken or not ours.
    """
    stop = stop_event()
    store = open_store(settings.store, create=True)
    database = await open_database_within(settings.database, _DATABASE_STARTS_WITHIN_S, time.monotonic, asyncio.sleep)
    try:
        records = SqlRecords(database)
        workbench = WorkbenchClient(channel, partial(sign_owner, settings.token_key, time.time))
        inference = WorkbenchInference(workbench)
        copies = WorkbenchCopies(records, inference)
        files = UserFiles(records, store, settings.limits, time.time, copies.look_now)
        runs = Runs(records, files, store, inference, time.time)
        accounts = Accounts(records, Argon2Hasher(), time.time)
        beside = installed or Installed(lambda: settings.ensembles, lambda: settings.outputs, pods_of(settings.release))
        door, jobs = FrontDoorClient(beside.front_door, beside.pods), PipelineJobs(beside.outputs, open_store)
        links = Links(records, store, settings.quota_bytes, time.time)
        console = Console(accounts, files, runs, links, workbench, door, jobs, settings.secure_cookies, stop.is_set)
        app = create_http_app(console, Health(lambda: not stop.is_set()))
        server = await start_http(app, *split_address(settings.http_address), grace_s=settings.drain_s)
        await runs.resume()
        removing = asyncio.create_task(copies.keep_removing())
        ready(server.port)
        _log.info("ready on port %d, store %s", server.port, store.url)
        await stop.wait()
        _log.info("draining")
        await server.drain()
        await runs.stop(settings.drain_s)
        removing.cancel()
        with suppress(asyncio.CancelledError):
            await removing
    finally:
        database.close()
