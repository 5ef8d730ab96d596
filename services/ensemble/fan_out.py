"""Ask every member for its scores: all at once or one after the other, until all are in or the deadline passes."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.edge.deadline import Deadline
from services.edge.errors import DeadlineExceeded, MemberUnavailable
from services.edge.receipts import NOTHING, Allocation, Usage
from services.ensemble.domain import EnsembleMode, MemberState
from services.ensemble.preparation import Images, Preparation
from services.zoo.manifest import InputSpec

Logits: TypeAlias = NDArray[np.float32]

IN_FLIGHT = 2
"""Chunks on their way to a member at a time: the next one travels while it computes."""


@dataclass(frozen=True)
class SharedPass:
    """The pass of a model in which requests run together that answered one of them.

    Attributes:
        number: in its process.
        pictures: that ran in it.
        largest: how many may.
    """

    number: int
    pictures: int
    largest: int


@dataclass(frozen=True)
class ChunkReply:
    """A model's scores [n, K] for one chunk, and what they took.

    Attributes:
        shared: of a model in which requests run together.
        unclaimed: what its process puts on no receipt.
        stages: of a model that is cut, each stage's service and its part; `usage` and `allocation` are their sums.
    """

    scores: Logits
    usage: Usage
    compute_ms: float
    cold: bool
    allocation: Allocation = NOTHING
    unclaimed: Allocation = NOTHING
    stages: tuple[tuple[str, Usage, Allocation], ...] = ()
    shared: SharedPass | None = None


Turn: TypeAlias = Callable[[str], AbstractAsyncContextManager[None]]
"""A place at a member, waited for and held while it is asked."""


def _at_once(model: str) -> AbstractAsyncContextManager[None]:  # noqa: ARG001  a `Turn`
    return nullcontext()


class Infer(Protocol):
    """Send one chunk to a model. Raises MemberUnavailable, DeadlineExceeded."""

    async def __call__(self, model: str, images: Images, deadline: Deadline) -> ChunkReply: ...


@dataclass
class MemberRun:
    """One member's part of one request, as it goes."""

    model: str
    spec: InputSpec
    state: MemberState = MemberState.MISSING
    replies: dict[int, ChunkReply] = field(default_factory=dict)
    began_s: float = 0.0
    ended_s: float = 0.0
    error: str = ""

    @property
    def scores(self) -> Logits:
        """[N, K] of a member that answered."""
        return np.concatenate([self.replies[index].scores for index in sorted(self.replies)])

    @property
    def usage(self) -> Usage:
        """What its replies took."""
        return sum((reply.usage for reply in self.replies.values()), Usage())

    @property
    def allocation(self) -> Allocation:
        """Its replies' share of what its processes spent and held."""
        return sum((reply.allocation for reply in self.replies.values()), NOTHING)

    @property
    def unclaimed(self) -> Allocation:
        """What its processes said they put on no receipt."""
        return sum((reply.unclaimed for reply in self.replies.values()), NOTHING)

    @property
    def shared(self) -> SharedPass | None:
        """The pass of its last chunk, where others might have run in it."""
        return self.replies[max(self.replies)].shared if self.replies else None

    @property
    def parts(self) -> list[tuple[str, Usage, Allocation]]:
        """What the receipt says of it: a line, or one for each of its stages."""
        stages: dict[str, tuple[Usage, Allocation]] = {}
        for reply in self.replies.values():
            for service, usage, allocation in reply.stages:
                used, held = stages.get(service, (Usage(), NOTHING))
                stages[service] = used + usage, held + allocation
        if stages:
            return [(service, *part) for service, part in stages.items()]
        return [(self.model, self.usage, self.allocation)]

    @property
    def latency_ms(self) -> float:
        """From its start to its end; 0 where it was not started."""
        return (self.ended_s - self.began_s) * 1e3


async def fan_out(
    runs: Sequence[MemberRun],
    preparation: Preparation[Any],
    infer: Infer,
    mode: EnsembleMode,
    deadline: Deadline,
    turn: Turn = _at_once,
    ended: Callable[[MemberRun], None] = lambda _: None,
) -> None:
    """Run members and note in `runs` what became of each by the deadline. Nothing of it runs on once this returns.

    Args:
        turn: waited for by each member before its pictures are prepared.
        ended: called with each run that was started, when it has ended.
    Raises:
        InvalidInput: a picture cannot be prepared.
    """
    batches = [list(runs)] if mode is EnsembleMode.PARALLEL else [[run] for run in runs]
    try:
        for batch in batches:
            if deadline.passed:
                return
            await _together([_run(run, preparation, infer, deadline, turn, ended) for run in batch], deadline)
    finally:
        preparation.close()


async def _together(parts: Sequence[Coroutine[Any, Any, None]], deadline: Deadline) -> None:
    """Run all until they end or the time is up; then, or at the first error, which is raised, cancel the others."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, timeout=deadline.remaining_s, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _run(
    run: MemberRun,
    preparation: Preparation[Any],
    infer: Infer,
    deadline: Deadline,
    turn: Turn,
    ended: Callable[[MemberRun], None],
) -> None:
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def ask(index: int) -> None:
        async with gate:
            images = await preparation.chunk(run.spec, index)
            run.replies[index] = _checked(await infer(run.model, images, deadline), len(images))

    run.began_s = deadline.clock()
    try:
        run.error = "it was still busy with requests that came before"
        async with turn(run.model):
            run.error = ""
            preparation.want(run.spec)
            await _all([ask(index) for index in range(preparation.chunks)])
        # Whoever closes a channel cancels its calls, and a group lets that pass.
        if len(run.replies) < preparation.chunks:
            raise MemberUnavailable("a call to it was broken off")
        run.state = MemberState.ANSWERED
    except DeadlineExceeded:
        pass  # it stays missing
    except MemberUnavailable as error:
        run.state, run.error = MemberState.FAILED, str(error)
    finally:
        run.ended_s = deadline.clock()
        ended(run)


async def _all(parts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await all; at the first error the others are cancelled, and it is raised as it is."""
    if len(parts) == 1:
        await parts[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _checked(reply: ChunkReply, pictures: int) -> ChunkReply:
    if reply.scores.ndim != 2 or len(reply.scores) != pictures or not reply.scores.size:
        raise MemberUnavailable(f"it returned scores of shape {list(reply.scores.shape)} for {pictures} pictures")
    if not np.isfinite(reply.scores).all():
        raise MemberUnavailable("it returned scores that are not finite")
    return reply
