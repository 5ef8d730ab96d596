"""A spare pod answers for a member that sleeps, while that member starts."""

import asyncio

from services.edge.deadline import Clock, Deadline
from services.edge.errors import MemberUnavailable, StrataError
from services.ensemble.fan_out import ChunkReply, Infer
from services.ensemble.preparation import Images
from services.ensemble.queue import START_S, Start

_ASLEEP_AFTER_S = 5.0
"""A member that was asked within this time is taken to run."""
_ANSWERS_WITHIN_S = 0.05
"""A member that runs says so within this time, even on a busy machine; one from zero never does."""


class WithSpare:
    """An `Infer` over two others: the members' own, and that of the spare pod.

    A member that has rested is asked whether it is ready, which wakes it where it sleeps. Where it does not say so at
    once, the spare pod is asked; if that is another member's just now, or has gone, one waits for the start.
    """

    def __init__(self, infer: Infer, start: Start, spare: Infer, clock: Clock):
        self._infer = infer
        self._start = start
        self._spare = spare
        self._clock = clock
        self._answered_s: dict[str, float] = {}
        self._starts: dict[str, asyncio.Task[bool]] = {}

    async def __call__(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        """Answer; raises as `Infer` does."""
        rested_s = self._clock() - self._answered_s.get(model, -_ASLEEP_AFTER_S)
        if rested_s >= _ASLEEP_AFTER_S:
            start = await self._woken(model)
            reply = None if start.done() else await self._from_spare(start, model, images, deadline)
            if reply:
                return reply
        reply = await self._infer(model, images, deadline)
        self._answered_s[model] = self._clock()
        return reply

    async def _woken(self, model: str) -> asyncio.Task[bool]:
        """The start of a member, which is done where it said at once that it is ready."""
        start = self._starts.get(model)
        if start is None:
            start = self._starts[model] = asyncio.create_task(self._wake(model))
            start.add_done_callback(lambda _: self._starts.pop(model))
            await asyncio.wait({start}, timeout=_ANSWERS_WITHIN_S)
        return start

    async def _from_spare(
        self, start: asyncio.Task[bool], model: str, images: Images, deadline: Deadline
    ) -> ChunkReply | None:
        """The spare pod's answer; None where it has none, or the member has started before it."""
        answer = asyncio.ensure_future(self._spare(model, images, deadline))
        try:
            await asyncio.wait({answer, start}, return_when=asyncio.FIRST_COMPLETED)
            if start.done() and start.result() and not answer.done():
                return None
            return await answer
        except MemberUnavailable:
            return None
        finally:
            answer.cancel()

    async def _wake(self, model: str) -> bool:
        try:
            await self._start(model, Deadline.after(START_S, self._clock))
        except StrataError:  # the call itself says what is wrong
            return False
        return True
