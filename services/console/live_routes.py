"""Ensembles and pipelines as they are now, and at each change.

They are the installation's: every user sees the same, and none sees another user's files, runs or names in them.
"""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse

from services.console.ensembles import Lately
from services.console.http_callers import Console, ConsoleParts, Reader
from services.console.live_bodies import EnsemblesBody, JobBody, PipelinesBody
from services.edge.errors import Unavailable

router = APIRouter(prefix="/api", tags=["live"])
_ENSEMBLES_EVERY_S, _PIPELINES_EVERY_S = 1.0, 2.0
_WINDOW_S = 10.0
_LONGEST_S = 300.0
"""A stream ends after it, and a browser asks again: no ingress has to end it in the middle."""


@router.get("/ensembles", summary="The ensembles of the front door now")
async def ensembles(console: ConsoleParts, _: Reader) -> EnsemblesBody:
    return await _ensembles(console, Lately(_WINDOW_S))


@router.get("/ensembles/events", tags=["endless"], summary="The same every second", response_class=EventSourceResponse)
async def ensemble_events(console: ConsoleParts, _: Reader) -> AsyncIterable[EnsemblesBody]:
    lately = Lately(_WINDOW_S)
    async for _turn in _turns(console, _ENSEMBLES_EVERY_S):
        yield await _ensembles(console, lately)


@router.get("/pipelines", summary="The jobs of pipelines now")
async def pipelines(console: ConsoleParts, _: Reader) -> PipelinesBody:
    return await _pipelines(console)


@router.get(
    "/pipelines/events", tags=["endless"], summary="The same at each change", response_class=EventSourceResponse
)
async def pipeline_events(console: ConsoleParts, _: Reader) -> AsyncIterable[PipelinesBody]:
    seen: PipelinesBody | None = None
    async for _turn in _turns(console, _PIPELINES_EVERY_S):
        now = await _pipelines(console)
        if now != seen:
            yield now
        seen = now


async def _turns(console: Console, every_s: float) -> AsyncIterator[None]:
    until_s = time.monotonic() + _LONGEST_S
    while time.monotonic() < until_s and not console.stopping():
        yield
        await asyncio.sleep(every_s)


async def _ensembles(console: Console, lately: Lately) -> EnsemblesBody:
    address = console.front_door.address
    if not address:
        return EnsemblesBody.none("")
    try:
        observed = await console.front_door.observe()
    except Unavailable as error:
        return EnsemblesBody.none(address, str(error))
    lately.add(observed)
    return EnsemblesBody.of(address, observed, lately)


async def _pipelines(console: Console) -> PipelinesBody:
    jobs, faults = await console.jobs.look()
    return PipelinesBody(jobs=[JobBody.of(job) for job in jobs], faults=faults)
