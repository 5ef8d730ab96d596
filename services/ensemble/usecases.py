"""Answer requests: wait for members, choose those that are in time, and ask them."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeAlias

from services.edge.deadline import Clock, Deadline
from services.edge.receipts import Tariff
from services.ensemble.answering import combined_answer
from services.ensemble.choice import choose_members
from services.ensemble.domain import (
    REPLY_MARGIN_S,
    Answer,
    Description,
    EnsembleMode,
    Item,
    MemberState,
    PredictRequest,
    Started,
    check_items,
    check_scores,
    items_of,
    time_allowed,
    time_given,
)
from services.ensemble.fan_out import Infer, MemberRun, fan_out
from services.ensemble.preparation import KEPT_BYTES, CallLimits, Preparation, Prepare
from services.ensemble.queue import Queue
from services.ensemble.served import Served, find
from services.ensemble.unclaimed import UnclaimedRuns

UserOf: TypeAlias = Callable[[str], str]
"""The token that came with a request, or nothing -> who asks; raises Unauthenticated where it is not signed."""

OWNER_METADATA_KEY = "strata-owner"
"""Of gRPC's metadata, and in other case of HTTP's headers: the token."""


class Predicts(Protocol):
    """What answers requests: a `Predictor` in this process, or one behind Ray Serve."""

    async def predict(self, request: PredictRequest) -> Answer: ...

    async def wake(self, ensemble: str, timeout_s: float) -> Mapping[str, Started]: ...

    def describe(self) -> Sequence[Description]: ...


class EnsembleGraph(Predicts, Protocol):
    """What the front door stands before."""

    async def check(self) -> None:
        """Return soon where requests are answered; raise where they are not."""


class Starts(Protocol):
    """What starts members that do not run."""

    async def wake(self, models: Iterable[str]) -> dict[str, str]: ...

    def starting(self) -> frozenset[str]: ...


class Predictor:
    """Ensembles over models that answer through `infer`."""

    def __init__(
        self,
        served: Mapping[str, Served],
        infer: Infer,
        starts: Starts,
        prepare: Prepare[Item],
        pool: Executor,
        tariff: Tariff,
        max_pictures: int,
        limits: Mapping[str, CallLimits],
        queue: Queue,
        clock: Clock = time.monotonic,
    ):
        """Put the parts together; `limits` of a model that it does not name are the default ones."""
        self._served = served
        self._infer = infer
        self._starts = starts
        self._prepare = prepare
        self._pool = pool
        self._tariff = tariff
        self._max_pictures = max_pictures
        self._limits = limits
        self._queue = queue
        self._unclaimed = UnclaimedRuns()
        self._ongoing = 0
        self._clock = clock

    def describe(self) -> Sequence[Description]:
        """List the ensembles."""
        return [served.description for served in self._served.values()]

    async def check(self) -> None:
        """Nothing can be lost between the front door and a graph in its own process."""

    async def wake(self, ensemble: str, timeout_s: float) -> Mapping[str, Started]:
        """Have every member start that does not run, all at once, and wait for them.

        Raises:
            EnsembleNotFound: no such ensemble.
        """
        models = find(self._served, ensemble).ensemble.models
        return await self._queue.wake(models, Deadline.after(timeout_s, self._clock))

    async def predict(self, request: PredictRequest) -> Answer:
        """Answer one request with the members that are in by the deadline.

        The ensemble's own deadline counts from when its members run: those that were idle are waited for, no longer
        than the caller waits. A deadline that the request brings counts from the request.

        Raises:
            EnsembleNotFound: no such ensemble.
            EmptyBatch, BatchTooLarge, NotAPicture, PictureTooLarge, NotASound: the request is refused; names the item.
            InvalidInput: not as many sounds as pictures, something that no member takes, or too many classes to name.
            MemberUnavailable: every member failed; the message has each one's reason.
            LateAlready: none would be in by the deadline, by what they take just now.
            DeadlineExceeded: fewer were in by the deadline than the ensemble asks for.
            ShapeMismatch: the members disagree on the number of classes.
        """
        began_s = self._clock()
        served = find(self._served, request.ensemble)
        ensemble = served.ensemble
        items = items_of(request, served.kinds)
        check_items(items, self._max_pictures)
        check_scores(ensemble, len(items), request.top_k, len(served.labels))
        if request.deadline_s is None:
            await self._wake(ensemble.models, request.latest_s)
        mode = request.mode or ensemble.mode
        waited_s = self._clock() - began_s
        deadline = Deadline.after(time_allowed(request, ensemble, waited_s), self._clock)
        runs = await self._ask_those_in_time(served, items, mode, deadline, time_given(request, ensemble))
        try:
            answer = combined_answer(served, runs, mode, request.top_k, self._tariff, lambda: self._clock() - began_s)
        except Exception:
            self._unclaimed.keep(runs)
            raise
        return replace(answer, unclaimed=self._unclaimed.hand_out(runs))

    async def _ask_those_in_time(
        self, served: Served, items: Sequence[Item], mode: EnsembleMode, deadline: Deadline, given_s: float
    ) -> list[MemberRun]:
        """Ask those members that are forecast to be in by the deadline; the others are missing, and say so."""
        ensemble = served.ensemble
        forecasts_s = self._queue.forecasts_s(ensemble.models, len(items))
        chosen: Sequence[str] = ()
        try:
            chosen = choose_members(
                forecasts_s,
                deadline.remaining_s,
                given_s,
                mode,
                ensemble.when_late,
                ensemble.min_members,
                served.expected,
            )
        finally:  # refused or not: who asks again finds them awake
            self._queue.wake_cold([model for model in ensemble.models if model not in chosen])
        asked = {run.model: run for run in await self.ask(served, items, mode, deadline, chosen)}
        return [asked.get(model) or _left_out(served, model, forecasts_s[model]) for model in ensemble.models]

    async def ask(
        self,
        served: Served,
        items: Sequence[Item],
        mode: EnsembleMode,
        deadline: Deadline,
        models: Sequence[str] | None = None,
    ) -> list[MemberRun]:
        """Ask an ensemble's members, or some of them, for their scores; see `fan_out`."""
        check_items(items, self._max_pictures)
        runs = [MemberRun(model, served.spec(model)) for model in models or served.ensemble.models]
        preparation = Preparation(
            items,
            [run.spec for run in runs],
            self._prepare,
            self._pool,
            [self._limits.get(run.model, CallLimits()) for run in runs],
            lambda: KEPT_BYTES // self._ongoing,
        )
        self._ongoing += 1
        try:
            with self._queue.asking([run.model for run in runs], len(items), deadline) as ended:
                await fan_out(
                    runs,
                    preparation,
                    self._infer,
                    mode,
                    deadline,
                    lambda each: self._queue.turn(each, len(items)),
                    ended,
                )
        except BaseException:  # a picture cannot be read, or the caller has gone
            self._unclaimed.keep(runs)
            raise
        finally:
            self._ongoing -= 1
        for run in runs:
            if run.state is MemberState.MISSING and run.model in self._starts.starting():
                run.error = "it is starting; ask again soon"
        return runs

    async def _wake(self, models: Sequence[str], latest_s: float | None) -> None:
        """Wait for members that do not run yet; one that does not start fails when it is asked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(None if latest_s is None else max(0.0, latest_s - REPLY_MARGIN_S)):
                await self._starts.wake(models)


def _left_out(served: Served, model: str, forecast_s: float) -> MemberRun:
    error = f"it was not started: it takes about {math.ceil(1e3 * forecast_s)} ms just now, longer than was left"
    return MemberRun(model, served.spec(model), error=error)
