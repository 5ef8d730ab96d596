"""What members took for a request that got no answer is on no receipt, and is not lost."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.edge.deadline import Deadline
from services.edge.errors import DeadlineExceeded
from services.edge.receipts import CLOUD_RUN, Allocation, Usage
from services.ensemble.domain import PredictRequest
from services.ensemble.fan_out import ChunkReply
from services.ensemble.preparation import Images
from services.ensemble.queue import Queue
from services.ensemble.usecases import Predictor
from tests.unit.ensemble.small_ensembles import NeedNoStart, prepare, small_ensemble

pytestmark = pytest.mark.timeout(60)
ALLOCATED, SAID = Allocation(2.0, 3.0), Allocation(0.5, 0.25)


class Pair(NeedNoStart):
    """Two members, of which "b" answers only once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.has_answered = asyncio.Event()

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        if model == "b":
            await self.may_answer.wait()
        self.has_answered.set()
        return ChunkReply(np.ones((len(images), 3), np.float32), Usage(1), 1.0, False, ALLOCATED, SAID)


@pytest.fixture
async def pair() -> Pair:
    return Pair()


@pytest.fixture
def predictor(pair: Pair, tmp_path: Path) -> Predictor:
    served = small_ensemble(tmp_path, "pair", ("a", "b"), "min_members: 2\nwhen_late: start\n")
    return Predictor(served, pair.infer, pair, prepare, ThreadPoolExecutor(1), CLOUD_RUN, 10, {}, Queue(pair.start, {}))


async def ask_in_vain(predictor: Predictor) -> None:
    with pytest.raises(DeadlineExceeded, match="only 1 of the 2"):
        await predictor.predict(PredictRequest("pair", (b"1",), deadline_s=0.1))


async def ask_and_go(predictor: Predictor, pair: Pair) -> None:
    asked = asyncio.create_task(predictor.predict(PredictRequest("pair", (b"1",))))
    await pair.has_answered.wait()
    asked.cancel()
    await asyncio.wait([asked])


@pytest.mark.parametrize("goes", [False, True])
async def test_the_next_answer_says_once_what_it_took(goes: bool, predictor: Predictor, pair: Pair) -> None:
    await (ask_and_go(predictor, pair) if goes else ask_in_vain(predictor))
    pair.may_answer.set()
    answers = [await predictor.predict(PredictRequest("pair", (b"1",))) for _ in range(2)]
    assert answers[0].unclaimed == {"a": ALLOCATED + SAID + SAID, "b": SAID}
    assert answers[1].unclaimed == {"a": SAID, "b": SAID}
    assert all(answer.receipt.total.allocation == ALLOCATED + ALLOCATED for answer in answers)
