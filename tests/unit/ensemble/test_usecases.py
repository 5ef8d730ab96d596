"""Requests to members that do not run yet: waited for, or said to be starting; never a failure without a word."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.edge.deadline import Deadline
from services.edge.errors import DeadlineExceeded
from services.edge.receipts import CLOUD_RUN, Usage
from services.ensemble.domain import MemberState, PredictRequest
from services.ensemble.fan_out import ChunkReply
from services.ensemble.preparation import Images
from services.ensemble.queue import Queue
from services.ensemble.served import Served
from services.ensemble.usecases import Predictor
from tests.unit.ensemble.small_ensembles import prepare, small_ensemble

pytestmark = pytest.mark.timeout(60)
DEADLINE_S = 0.3
START_S = 3 * DEADLINE_S


class Idle:
    """Members that take longer to start than their ensemble's deadline."""

    def __init__(self, start_s: float = START_S) -> None:
        self._start_s = start_s
        self._started: dict[str, asyncio.Task[None]] = {}
        self.woken = 0

    async def wake(self, models: Iterable[str]) -> dict[str, str]:
        self.woken += 1
        await asyncio.gather(*map(self._start, models))
        return {}

    async def start(self, model: str, deadline: Deadline) -> None:
        await self._start(model)

    def starting(self) -> frozenset[str]:
        return frozenset(model for model, start in self._started.items() if not start.done())

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        await self._start(model)
        return ChunkReply(np.ones((len(images), 3), np.float32), Usage(1), 1.0, True)

    async def _start(self, model: str) -> None:
        if model not in self._started:
            self._started[model] = asyncio.create_task(asyncio.sleep(self._start_s))
        await asyncio.shield(self._started[model])


@pytest.fixture
def served(tmp_path: Path) -> dict[str, Served]:
    return small_ensemble(tmp_path, "pair", ("a", "b"), f"deadline_ms: {DEADLINE_S * 1e3:.0f}\n")


@pytest.fixture
async def idle() -> Idle:
    return Idle()


@pytest.fixture
def predictor(served: dict[str, Served], idle: Idle) -> Predictor:
    return Predictor(served, idle.infer, idle, prepare, ThreadPoolExecutor(1), CLOUD_RUN, 10, {}, Queue(idle.start, {}))


async def test_the_ensembles_own_deadline_counts_from_when_its_members_run(predictor: Predictor) -> None:
    answer = await predictor.predict(PredictRequest("pair", (b"1",)))
    assert [member.state for member in answer.members] == [MemberState.ANSWERED] * 2
    assert all(member.cold for member in answer.members)
    assert answer.latency_ms >= START_S * 1e3  # the wait is in the time that the answer states


async def test_a_requests_own_deadline_holds_and_the_members_are_said_to_start(
    predictor: Predictor, idle: Idle
) -> None:
    with pytest.raises(DeadlineExceeded, match=r"missing: 'a' \(it is starting.*'b' \(it is starting"):
        await predictor.predict(PredictRequest("pair", (b"1",), deadline_s=DEADLINE_S))
    assert idle.woken == 0
    answer = await predictor.predict(PredictRequest("pair", (b"1",), deadline_s=20 * START_S))
    assert [member.error for member in answer.members] == ["", ""]


async def test_members_are_waited_for_no_longer_than_the_caller_waits(predictor: Predictor) -> None:
    with pytest.raises(DeadlineExceeded, match="it is starting"):
        await asyncio.wait_for(predictor.predict(PredictRequest("pair", (b"1",), latest_s=DEADLINE_S)), START_S)
