"""Answer requests: prepare pictures, ask the members, combine, and say what it cost."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Protocol, TypeAlias

import numpy as np

from services.edge.deadline import Clock, Deadline
from services.edge.errors import DeadlineExceeded, MemberUnavailable
from services.edge.receipts import Tariff, write_receipt
from services.ensemble.choice import choose_members
from services.ensemble.domain import (
    REPLY_MARGIN_S,
    Answer,
    Description,
    Ensemble,
    EnsembleMode,
    Item,
    MemberAnswer,
    MemberState,
    PredictRequest,
    Started,
    check_items,
    check_scores,
    items_of,
    time_allowed,
)
from services.ensemble.fan_out import Infer, MemberRun, fan_out
from services.ensemble.preparation import KEPT_BYTES, CallLimits, Preparation, Prepare
from services.ensemble.queue import Queue
from services.ensemble.rules import best_classes, check_classes, combine, shares, softmax
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
        runs = await self._ask_those_in_time(served, items, mode, deadline)
        try:
            return self._answer(served, runs, mode, request.top_k, began_s)
        except Exception:
            self._unclaimed.keep(runs)
            raise

    async def _ask_those_in_time(
        self, served: Served, items: Sequence[Item], mode: EnsembleMode, deadline: Deadline
    ) -> list[MemberRun]:
        """Ask those members that are forecast to be in by the deadline; the others are missing, and say so."""
        ensemble = served.ensemble
        forecasts_s = self._queue.forecasts_s(ensemble.models, len(items))
        chosen: Sequence[str] = ()
        try:
            chosen = choose_members(
                forecasts_s, deadline.remaining_s, mode, ensemble.when_late, ensemble.min_members, served.expected
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

    def _answer(
        self, served: Served, runs: Sequence[MemberRun], mode: EnsembleMode, top_k: int, began_s: float
    ) -> Answer:
        ensemble = served.ensemble
        weights = {member.model: member.weight for member in ensemble.members}
        answered = [run for run in runs if run.state is MemberState.ANSWERED]
        if len(answered) < ensemble.min_members:
            raise _no_answer(ensemble, runs, self._clock() - began_s)
        scores = [run.scores for run in answered]
        check_classes([run.model for run in answered], scores)
        probabilities = softmax(np.stack(scores))
        present = [weights[run.model] for run in answered]
        combined = combine(ensemble.rule, probabilities, present)
        share = dict(zip((run.model for run in answered), shares(ensemble.rule, present), strict=True))
        rows = dict(zip(share, probabilities, strict=True))
        members = tuple(
            MemberAnswer(
                model=run.model,
                state=run.state,
                weight=share.get(run.model, 0.0),
                predictions=best_classes(rows[run.model], served.labels, top_k) if run.model in rows else (),
                latency_ms=run.latency_ms,
                compute_ms=sum(reply.compute_ms for reply in run.replies.values()),
                cold=any(reply.cold for reply in run.replies.values()),
                error=run.error,
            )
            for run in runs
        )
        return Answer(
            ensemble=ensemble.name,
            mode=mode,
            predictions=best_classes(combined, served.labels, top_k),
            members=members,
            latency_ms=(self._clock() - began_s) * 1e3,
            expected_accuracy=served.expected(share),
            receipt=write_receipt([part for run in runs for part in run.parts], self._tariff),
            unclaimed=self._unclaimed.hand_out(runs),
        )


def _left_out(served: Served, model: str, forecast_s: float) -> MemberRun:
    error = f"it was not started: it takes about {math.ceil(1e3 * forecast_s)} ms just now, longer than was left"
    return MemberRun(model, served.spec(model), error=error)


def _no_answer(ensemble: Ensemble, runs: Sequence[MemberRun], waited_s: float) -> Exception:
    name = ensemble.name
    failed = [f"'{run.model}': {run.error}" for run in runs if run.state is MemberState.FAILED]
    if len(failed) == len(runs):
        return MemberUnavailable(f"every member of ensemble '{name}' failed: {'; '.join(failed)}")
    missing = ", ".join(
        f"'{run.model}'{f' ({run.error})' if run.error else ''}" for run in runs if run.state is MemberState.MISSING
    )
    also = f"; failed: {'; '.join(failed)}" if failed else ""
    answered = sum(run.state is MemberState.ANSWERED for run in runs)
    those = f"{answered} of the {ensemble.min_members} members that ensemble '{name}' asks for"
    those = f"no member of ensemble '{name}'" if not answered else f"only {those}"
    if not missing:
        return MemberUnavailable(f"{those} answered{also}")
    return DeadlineExceeded(f"{those} had answered after {waited_s * 1e3:.0f} ms; missing: {missing}{also}")
