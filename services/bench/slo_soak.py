"""Half an hour of mixed load while a member's process is killed each minute: is anything wrong, lost, or growing?"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeAlias

from services.bench.ensemble import EXAMPLES
from services.bench.local_figures import running_service
from services.bench.slo_queue import resident_bytes
from services.loadtest.answers import LabelledPicture, Target
from services.loadtest.arrivals import arrivals
from services.loadtest.generator import generate
from services.loadtest.run import Asker, load_pictures
from services.loadtest.samples import Ended, Outcome, Sample
from services.loadtest.scenario import Phase, Request
from services.loadtest.targets import open_asker, read_address
from services.local.models import find_model_process
from services.local.running import Running

Figures: TypeAlias = dict[str, float]

_FASHION = EXAMPLES / "fashion"
_MEMBERS = ("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile")
_STREAMS = (("grpc", 4.0, 1), ("http", 1.0, 8))
"""Protocol, requests a second, and pictures of each."""
_ASKED = Request(pictures="", deadline_ms=20_000, patience_ms=30_000)


def soak(seconds: float, kill_every_s: float, tell: Callable[[str], None]) -> Iterator[Figures]:
    """Ask the shipped ensemble over both protocols, with one picture and several.

    A complete answer is wrong, too, where it is right about a picture and the first was not, or the other way round.
    """
    with running_service([_FASHION / "ensemble.yaml"]) as running:
        tell(f"soak: {seconds / 60:.3g} minutes, a kill every {kill_every_s:.0f} s")
        samples, kills, held_bytes = asyncio.run(_run(running, seconds, kill_every_s, tell))
    fifth = max(1, len(held_bytes) // 5)
    begin_bytes, end_bytes = median(held_bytes[fifth : 2 * fifth]), median(held_bytes[-fifth:])
    yield {
        "soak.wrong": sum(sample.ended.outcome is Outcome.WRONG for sample in samples) + _contradictions(samples),
        "soak.lost": sum(sample.ended.outcome not in (Outcome.ANSWERED, Outcome.WRONG) for sample in samples),
        "soak.memory_growth": end_bytes / begin_bytes - 1,
        "soak.requests": len(samples),
        "soak.complete": sum(sample.ended.complete for sample in samples) / max(1, len(samples)),
        "soak.kills": kills,
        "soak.minutes": seconds / 60,
        "soak.front_mb": end_bytes / 1e6,
    }


async def _run(
    running: Running, seconds: float, kill_every_s: float, tell: Callable[[str], None]
) -> tuple[list[Sample], int, list[int]]:
    """All streams at once, kills and readings of the front door's memory beside them."""
    kills, held_bytes = 0, []
    began_s = asyncio.get_running_loop().time()

    async def kill() -> None:
        nonlocal kills
        while True:
            await asyncio.sleep(kill_every_s)
            pid = await asyncio.to_thread(find_model_process, running.pid, _MEMBERS[kills % len(_MEMBERS)])
            if pid is not None:  # else it has not started again yet
                os.kill(pid, signal.SIGKILL)
            kills += pid is not None
            minutes = (asyncio.get_running_loop().time() - began_s) / 60
            tell(f"soak: {minutes:.1f} of {seconds / 60:.3g} minutes, {kills} processes killed")

    async def watch() -> None:
        while True:
            held_bytes.append(resident_bytes(running.pid))
            await asyncio.sleep(1)

    beside = [asyncio.create_task(each) for each in (kill(), watch())]
    try:
        streams = await asyncio.gather(*(_stream(running, *each, seconds) for each in _STREAMS))
    finally:
        for task in beside:
            if not task.cancel():
                task.result()  # it has ended by itself: with an error
    return [sample for stream in streams for sample in stream], kills, held_bytes


async def _stream(running: Running, protocol: str, rate: float, count: int, seconds: float) -> Sequence[Sample]:
    place = running.grpc_address if protocol == "grpc" else running.http_address
    async with open_asker(read_address(f"{protocol}://{place}")) as asker:
        target = await asker.describe()
        pictures = load_pictures(_FASHION / "pictures", target.labels)
        dues_s = arrivals([Phase(seconds=seconds, rate=rate)], 1.0, seed=count)
        return await generate(dues_s, lambda number: _ask(asker, target, pictures, number, count), lambda _: None)


async def _ask(asker: Asker, target: Target, pictures: Sequence[LabelledPicture], number: int, count: int) -> Ended:
    chosen = [pictures[(number * count + n) % len(pictures)] for n in range(count)]
    return await asker.ask(chosen, _ASKED, target)


def _contradictions(samples: Sequence[Sample]) -> int:
    """Count the complete answers that are right about a picture where the first was not, or the other way round."""
    first: dict[int, bool] = {}
    wrong = 0
    for sample in sorted(samples, key=lambda sample: sample.done_s):
        if sample.ended.complete:
            wrong += any(first.setdefault(number, right) != right for number, right in sample.ended.right)
    return wrong
