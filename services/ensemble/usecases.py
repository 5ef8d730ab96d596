"""Answer requests: prepare pictures, ask the members, combine, and say what it cost."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from typing import Protocol

import numpy as np

from services.edge.deadline import Clock, Deadline
from services.edge.errors import DeadlineExceeded, MemberUnavailable
from services.edge.receipts import NOTHING, Tariff, write_receipt
from services.ensemble.domain import (
    REPLY_MARGIN_S,
    Answer,
    Description,
    EnsembleMode,
    MemberAnswer,
    MemberState,
    PredictRequest,
    check_pictures,
    time_allowed,
)
from services.ensemble.fan_out import Infer, MemberRun, fan_out
from services.ensemble.preparation import KEPT_BYTES, CallLimits, Preparation, Prepare
from services.ensemble.rules import best_classes, check_classes, combine, shares, softmax
from services.ensemble.served import Served, find


class Predicts(Protocol):
    """What answers requests: a `Predictor` in this process, or one behind Ray Serve."""

    async def predict(self, request: PredictRequest) -> Answer: ...

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
        prepare: Prepare,
        pool: Executor,
        tariff: Tariff,
        max_pictures: int,
        limits: Mapping[str, CallLimits],
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
        self._ongoing = 0
        self._clock = clock

    def describe(self) -> Sequence[Description]:
        """List the ensembles."""
        return [served.description for served in self._served.values()]

    async def check(self) -> None:
        """Nothing can be lost between the front door and a graph in its own process."""

    async def predict(self, request: PredictRequest) -> Answer:
        """Answer one request with the members that are in by the deadline.

        The ensemble's own deadline counts from when its members run: those that were idle are waited for, no longer
        than the caller waits. A deadline that the request brings counts from the request.

        Raises:
            EnsembleNotFound: no such ensemble.
            EmptyBatch, BatchTooLarge, NotAPicture, PictureTooLarge: the request is refused; names the picture.
            MemberUnavailable: every member failed; the message has each one's reason.
            DeadlineExceeded: none was in by the deadline.
            ShapeMismatch: the members disagree on the number of classes.
        """
        began_s = self._clock()
        served = find(self._served, request.ensemble)
        ensemble = served.ensemble
        check_pictures(request.pictures, self._max_pictures)
        if request.deadline_s is None:
            await self._wake(ensemble.models, request.latest_s)
        mode = request.mode or ensemble.mode
        waited_s = self._clock() - began_s
        deadline = Deadline.after(time_allowed(request, ensemble, waited_s), self._clock)
        runs = await self.ask(served, request.pictures, mode, deadline)
        if not any(run.state is MemberState.ANSWERED for run in runs):
            raise _no_answer(ensemble.name, runs, self._clock() - began_s)
        return self._answer(served, runs, mode, request.top_k, began_s)

    async def ask(
        self, served: Served, pictures: Sequence[bytes], mode: EnsembleMode, deadline: Deadline
    ) -> list[MemberRun]:
        """Ask an ensemble's members for their scores; see `fan_out`."""
        check_pictures(tuple(pictures), self._max_pictures)
        runs = [MemberRun(model, served.spec(model)) for model in served.ensemble.models]
        preparation = Preparation(
            pictures,
            [run.spec for run in runs],
            self._prepare,
            self._pool,
            [self._limits.get(run.model, CallLimits()) for run in runs],
            lambda: KEPT_BYTES // self._ongoing,
        )
        self._ongoing += 1
        try:
            await fan_out(runs, preparation, self._infer, mode, deadline)
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
            expected_accuracy=served.accuracy.expected(share) if served.accuracy else None,
            receipt=write_receipt([part for run in runs for part in run.parts], self._tariff),
            unclaimed={run.model: run.unclaimed for run in runs if run.unclaimed != NOTHING},
        )


def _no_answer(name: str, runs: Sequence[MemberRun], waited_s: float) -> Exception:
    failed = [f"'{run.model}': {run.error}" for run in runs if run.state is MemberState.FAILED]
    if len(failed) == len(runs):
        return MemberUnavailable(f"every member of ensemble '{name}' failed: {'; '.join(failed)}")
    missing = ", ".join(
        f"'{run.model}'{f' ({run.error})' if run.error else ''}" for run in runs if run.state is MemberState.MISSING
    )
    also = f"; failed: {'; '.join(failed)}" if failed else ""
    return DeadlineExceeded(
        f"no member of ensemble '{name}' had answered after {waited_s * 1e3:.0f} ms; missing: {missing}{also}"
    )
