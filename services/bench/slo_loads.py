"""Open-loop runs against an ensemble on this machine, as `strata load` makes them, and what they came to."""

import asyncio
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from services.loadtest.answers import LabelledPicture
from services.loadtest.arrivals import arrivals
from services.loadtest.generator import generate
from services.loadtest.samples import Ended, Sample
from services.loadtest.scenario import Phase, Request
from services.loadtest.targets import open_asker, read_address

_PATIENCE_MS = 10_000


def picture(level: int, side: int = 32) -> bytes:
    """Make an encoded grey picture; level 255 is white."""
    file = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


def capacity(place: str, ensemble: str, requests: int, deal: Callable[[int], bytes], at_a_time: int = 8) -> float:
    """Answers of all members a second, with so many requests under way at any time and no deadline."""

    async def measure() -> float:
        async with open_asker(read_address(f"grpc://{place}", ensemble)) as asker:
            target = await asker.describe()
            asked = Request(pictures="", deadline_ms=600_000, patience_ms=600_000)
            left = iter(range(requests))

            async def user() -> None:
                for number in left:
                    await asker.ask([LabelledPicture(0, deal(number), None)], asked, target)

            loop = asyncio.get_running_loop()
            began_s = loop.time()
            await asyncio.gather(*(user() for _ in range(at_a_time)))
            return requests / (loop.time() - began_s)

    return asyncio.run(measure())


def open_loop(
    place: str,
    ensemble: str,
    rate: float,
    requests: int,
    deadline_ms: float,
    deal: Callable[[int], bytes],
) -> Sequence[Sample]:
    """Send Poisson arrivals with a deadline each, and return what became of them, in the order they were due.

    Args:
        deal: the picture of each request.
    """

    async def measure() -> Sequence[Sample]:
        async with open_asker(read_address(f"grpc://{place}", ensemble)) as asker:
            target = await asker.describe()
            asked = Request(pictures="", deadline_ms=round(deadline_ms), patience_ms=_PATIENCE_MS)

            async def ask(number: int) -> Ended:
                return await asker.ask([LabelledPicture(0, deal(number), None)], asked, target)

            dues_s = arrivals([Phase(seconds=requests / rate, rate=rate)], 1.0, seed=0)
            return await generate(dues_s, ask, lambda _: None)

    return sorted(asyncio.run(measure()), key=lambda sample: sample.due_s)
