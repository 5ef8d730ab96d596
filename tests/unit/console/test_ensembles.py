"""What the console makes of a front door's counters."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.console.ensembles import Lately, LatencyCounts, Observed
from services.console.front_door import observed
from services.console.live_bodies import EnsemblesBody
from services.edge.receipts import Receipt, ReceiptLine, Usage
from services.ensemble.domain import Answer, EnsembleMode, MemberAnswer, MemberState
from services.ensemble.metrics import Metrics, watch_replicas

DESCRIBED = [
    {
        "name": "pair",
        "rule": "mean",
        "mode": "parallel",
        "deadline_ms": 200,
        "members": [{"model": "a", "weight": 1.0}, {"model": "b", "weight": 2.0}],
    }
]


def look(registry: CollectorRegistry, at_s: float) -> Observed:
    return observed(DESCRIBED, generate_latest(registry).decode(), at_s)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_a_percentile_lies_inside_its_bucket() -> None:
    counts = LatencyCounts(((0.01, 0), (0.02, 50), (0.05, 100), (float("inf"), 100)), 2.0, 100)
    assert counts.percentile_ms(0.5) == pytest.approx(20)
    assert counts.percentile_ms(0.75) == pytest.approx(35)
    assert counts.mean_ms == pytest.approx(20)
    assert LatencyCounts().percentile_ms(0.5) is None


def test_what_is_over_the_last_bucket_counts_as_its_bound() -> None:
    assert LatencyCounts(((0.01, 0), (float("inf"), 4)), 2.0, 4).percentile_ms(0.5) == pytest.approx(10)


def test_a_front_door_that_never_answered_shows_its_members(registry: CollectorRegistry) -> None:
    Metrics(registry)
    watch_replicas({"a": lambda: 1, "b": lambda: 0}, registry)
    (ensemble,) = EnsemblesBody.of("http://door", look(registry, 0.0), Lately(10)).ensembles
    assert [(each.model, each.replicas, each.answered) for each in ensemble.members] == [("a", 1, 0), ("b", 0, 0)]
    assert (ensemble.answered, ensemble.p50_ms, ensemble.lately) == (0, None, 0)


def answer(latency_ms: float) -> Answer:
    members = tuple(
        MemberAnswer(model, state, 0.5, (), latency_ms, 1.0, cold, "")
        for model, state, cold in (("a", MemberState.ANSWERED, True), ("b", MemberState.MISSING, False))
    )
    receipt = Receipt((ReceiptLine("a", Usage(1, 2.0, 3.0), 0.25),))
    return Answer("pair", EnsembleMode.PARALLEL, (), members, latency_ms, None, receipt)


def test_members_are_counted_and_latency_is_that_of_the_last_seconds(registry: CollectorRegistry) -> None:
    metrics, lately = Metrics(registry), Lately(10)
    metrics.answered(answer(900))
    lately.add(look(registry, 0.0))
    for _ in range(4):
        metrics.answered(answer(15))
    metrics.refused("pair", TimeoutError())
    now = look(registry, 5.0)
    lately.add(now)
    (ensemble,) = EnsemblesBody.of("http://door", now, lately).ensembles
    assert (ensemble.answered, ensemble.refused, ensemble.lately, ensemble.currency) == (5, 1, 4, "USD")
    assert ensemble.p95_ms is not None
    assert 10 < ensemble.p95_ms <= 20
    first, second = ensemble.members
    assert (first.answered, first.cold_starts, first.cpu_seconds, first.money) == (5, 5, 10.0, 1.25)
    assert (second.missing, second.replicas) == (5, None)


def test_counters_that_began_anew_are_not_taken_for_less_than_nothing(registry: CollectorRegistry) -> None:
    lately, before = Lately(10), Metrics(registry)
    before.answered(answer(15))
    lately.add(look(registry, 0.0))
    anew = CollectorRegistry()
    Metrics(anew)
    now = look(anew, 1.0)
    lately.add(now)
    assert lately.latency(now.ensembles[0]).count == 0
