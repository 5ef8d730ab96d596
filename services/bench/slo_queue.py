"""What a picture that waits for its members holds of the front door's memory."""

import asyncio
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from services.bench.ensemble import MEASURE
from services.bench.local_figures import running_service
from services.loadtest.answers import LabelledPicture
from services.loadtest.scenario import Request
from services.loadtest.targets import open_asker, read_address

Figures: TypeAlias = dict[str, float]

_WAITING = 24
_ASKED = 8
"""More than have a place at the member, so that what was freed before has been given back: else that would be counted
as theirs, with the wrong sign. With those that wait they are no more than a front door takes."""
_SETTLE_S = 1.5
"""Three times together less than the member sleeps, and more than it takes until freed memory is given back."""
_SIDE = 1000


def queued_bytes(tell: Callable[[str], None]) -> Iterator[Figures]:
    """Let pictures wait behind a member that sleeps for seconds, and read the front door's resident memory."""
    data = _noise()
    ratios: Figures = {}
    for scheme in ("grpc", "http"):
        tell(f"queued_bytes: {_WAITING} pictures of {len(data) / 1e6:.1f} MB over {scheme}")
        with running_service([MEASURE / "waits.yaml"]) as running:
            place = running.grpc_address if scheme == "grpc" else running.http_address
            ratios[f"queued_bytes.{scheme}"] = asyncio.run(_held_bytes(f"{scheme}://{place}", data, running.pid)) / len(
                data
            )
    yield {"queued_bytes": max(ratios.values()), **ratios, "queued_bytes.picture_bytes": len(data)}


async def _held_bytes(target: str, data: bytes, pid: int) -> float:
    """How much resident memory each waiting request adds."""
    async with open_asker(read_address(target)) as asker:
        described = await asker.describe()
        asked = Request(pictures="", deadline_ms=600_000, patience_ms=600_000)

        def ask(count: int) -> list["asyncio.Task[object]"]:
            pictures = [LabelledPicture(0, data, None)]
            return [asyncio.create_task(asker.ask(pictures, asked, described)) for _ in range(count)]

        await asyncio.gather(*ask(1))
        # All of them once before: what a connection's own buffers grow to is no picture's.
        calls, others = ask(_ASKED), ask(_WAITING)
        await asyncio.sleep(_SETTLE_S)
        await _give_up(others)
        await asyncio.sleep(_SETTLE_S)
        before_bytes = resident_bytes(pid)
        calls += ask(_WAITING)
        await asyncio.sleep(_SETTLE_S)
        held_bytes = resident_bytes(pid) - before_bytes
        await _give_up(calls)
    return held_bytes / _WAITING


async def _give_up(calls: Sequence["asyncio.Task[object]"]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def resident_bytes(pid: int) -> int:
    """What a process holds of the memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _noise() -> bytes:
    """An encoded picture in which nothing compresses: a file of about a megabyte."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG", quality=85)
    return file.getvalue()
