"""What is under way at the members: forecasts from it, turns in it, and starts of those that sleep."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeAlias

from services.edge.deadline import Clock, Deadline
from services.edge.errors import StrataError
from services.ensemble.domain import MemberState, Started
from services.ensemble.fan_out import MemberRun
from services.ensemble.forecast import Forecasts, Ticket
from services.ensemble.places import PLACES, Places

Start: TypeAlias = Callable[[str, Deadline], Awaitable[None]]
"""Have a member start, and wait until it runs; at once where it does. Raises StrataError."""

START_S = 120.0
_AT_THE_DEADLINE_S = 0.005

_log = logging.getLogger(__name__)


class Queue:
    """The requests of one process at the members that it calls, for one event loop."""

    def __init__(self, start: Start, places: Mapping[str, int], clock: Clock = time.monotonic):
        self._start = start
        self._places = places
        self._turns: dict[str, Places] = {}
        self._clock = clock
        self._forecasts = Forecasts()
        self._starts: dict[str, asyncio.Task[None]] = {}

    def forecasts_s(self, models: Iterable[str], pictures: int) -> dict[str, float]:
        """Say of each member how long it would take from now until it answers."""
        now_s = self._clock()
        return {model: self._forecasts.forecast_s(model, pictures, now_s) for model in models}

    def turn(self, model: str, pictures: int) -> AbstractAsyncContextManager[None]:
        """Give a place at a member; who came first gets it first. What waits for one has no tensors yet."""
        return self._places_of(model).hold(pictures)

    @contextmanager
    def asking(self, models: Sequence[str], pictures: int, deadline: Deadline) -> Iterator[Callable[[MemberRun], None]]:
        """Count a request for as long as this lasts; give what is to be called with each member's run when it ends."""
        now_s = self._clock()
        tickets = {model: self._forecasts.begin(model, pictures, now_s) for model in models}

        def ended(run: MemberRun) -> None:
            ticket = tickets.pop(run.model)
            if run.state is MemberState.ANSWERED:
                cold = any(reply.cold for reply in run.replies.values())
                shared = run.shared
                if shared:
                    self._places_of(run.model).widen(shared.largest)
                self._forecasts.answered(ticket, run.ended_s, cold, shared)
            else:
                self._give_up(ticket, run.state is MemberState.MISSING, deadline)

        try:
            yield ended
        finally:
            for ticket in tickets.values():
                self._give_up(ticket, len(tickets) == len(models), deadline)

    def wake_cold(self, models: Iterable[str]) -> None:
        """Have members start that sleep, as far as is known, and wait for none of them."""
        now_s = self._clock()
        for model in models:
            if self._forecasts.is_cold(model, now_s) and model not in self._starts:
                self._starts[model] = asyncio.create_task(self._wake(model))

    async def wake(self, models: Iterable[str], deadline: Deadline) -> dict[str, Started]:
        """Have members start, all at once; return what became of each."""
        models = list(models)
        began_s = self._clock()

        async def start(model: str) -> Started:
            try:
                await self._start(model, deadline)
            except StrataError as error:
                return Started(self._clock() - began_s, str(error))
            self._forecasts.runs(model, self._clock())
            return Started(self._clock() - began_s)

        return dict(zip(models, await asyncio.gather(*map(start, models)), strict=True))

    def _places_of(self, model: str) -> Places:
        if model not in self._turns:
            self._turns[model] = Places(self._places.get(model, PLACES))
        return self._turns[model]

    def _give_up(self, ticket: Ticket, missing: bool, deadline: Deadline) -> None:
        if missing and deadline.passes_within(_AT_THE_DEADLINE_S):
            self._forecasts.late(ticket, self._clock())
        else:
            self._forecasts.failed(ticket)

    async def _wake(self, model: str) -> None:
        try:
            await self._start(model, Deadline.after(START_S, self._clock))
            self._forecasts.runs(model, self._clock())
        except StrataError as error:
            _log.warning("member '%s' did not start: %s", model, error)
        finally:
            del self._starts[model]
