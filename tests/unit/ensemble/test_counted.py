"""How many requests, and how many calls that wake members, may be under way at a time."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from prometheus_client import CollectorRegistry

from services.edge.errors import EnsembleNotFound, QueueFull
from services.ensemble.domain import Answer, Description, PredictRequest, Started
from services.ensemble.front_door import Counted
from services.ensemble.metrics import Metrics

pytestmark = pytest.mark.timeout(60)
LIMIT = 2


class NeverStarts:
    """An ensemble "e" whose members do not start, which answers nobody, and others that no request finds."""

    def describe(self) -> Sequence[Description]:
        return ()

    async def wake(self, ensemble: str, timeout_s: float) -> Mapping[str, Started]:
        await asyncio.Event().wait()
        return {}

    async def predict(self, request: PredictRequest) -> Answer:
        if request.ensemble != "e":
            raise EnsembleNotFound("it was let in")
        never: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        return await never


async def test_who_waits_for_members_to_start_takes_no_place_of_who_asks() -> None:
    counted = Counted(NeverStarts(), LIMIT, Metrics(CollectorRegistry()), None)
    waking = [asyncio.create_task(counted.wake("e", 60.0)) for _ in range(LIMIT)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="calls that wake an ensemble are under way"):
        await counted.wake("e", 60.0)
    with pytest.raises(EnsembleNotFound, match="it was let in"):
        await counted.predict(PredictRequest("none", ()))
    for each in waking:
        each.cancel()


async def test_a_caller_who_leaves_is_counted() -> None:
    registry = CollectorRegistry()
    counted = Counted(NeverStarts(), LIMIT, Metrics(registry), None)
    asking = asyncio.create_task(counted.predict(PredictRequest("e", ())))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    labels = {"ensemble": "", "outcome": "left"}
    assert registry.get_sample_value("strata_ensemble_requests_total", labels) == 1
