"""What a run is judged to be."""

import math

import pytest

from services.loadtest.samples import Ended, Outcome, Sample
from services.loadtest.scenario import Slo
from services.loadtest.verdict import Judgement, Verdict, judge


def sample(latency_ms: float = 10, outcome: Outcome = Outcome.ANSWERED, lag_ms: float = 0, **ended: object) -> Sample:
    return Sample(1.0, 1.0 + lag_ms / 1e3, 1.0 + latency_ms / 1e3, Ended(outcome, **ended))  # type: ignore[arg-type]


def verdict(samples: list[Sample], deadline_ms: float | None = None, **slo: object) -> Judgement:
    return judge(samples, Slo.model_validate(slo), deadline_ms)


P99 = {"p99": 100}


@pytest.mark.parametrize(
    ("in_time", "late", "expected"),
    [
        (459, 0, Verdict.PASS),
        (458, 0, Verdict.NOT_PROVED),
        (661, 1, Verdict.PASS),
        (660, 1, Verdict.NOT_PROVED),
        (450, 20, Verdict.FAIL),
        (5, 1, Verdict.NOT_PROVED),
        (0, 3, Verdict.FAIL),
    ],
)
def test_p99_is_passed_failed_or_not_proved_by_counting(in_time: int, late: int, expected: Verdict) -> None:
    samples = [sample()] * in_time + [sample(150)] * late
    assert verdict(samples, latency_ms=P99).verdict is expected


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.ANSWERED])
def test_a_quick_end_that_is_no_answer_is_as_bad_as_a_late_one(outcome: Outcome) -> None:
    judged = verdict([sample()] * 450 + [sample(1, outcome)] * 50, latency_ms={"p95": 100})
    assert judged.verdict is Verdict.FAIL
    assert judged.findings[0].measured == math.inf


def test_no_answer_at_all_is_a_failure_even_of_a_promise_about_cost() -> None:
    judged = verdict([sample(outcome=Outcome.REFUSED)] * 5, cost_per_1000=1)
    assert judged.verdict is Verdict.FAIL
    assert judged.remark == "no request was answered"


def test_no_request_proves_nothing() -> None:
    assert verdict([], latency_ms=P99).verdict is Verdict.NOT_PROVED


def test_a_generator_that_lags_gives_no_verdict_however_good_or_bad_the_numbers() -> None:
    for latency_ms in (12, 500):
        judged = verdict([sample(latency_ms, lag_ms=11)] * 1000, latency_ms=P99)
        assert judged.verdict is Verdict.NOT_PROVED
        assert "did not keep its own schedule" in judged.remark
    assert verdict([sample(12, lag_ms=9)] * 1000, latency_ms=P99).verdict is Verdict.PASS


def test_latency_counts_from_when_a_request_was_due() -> None:
    assert sample(latency_ms=70, lag_ms=30).latency_ms == pytest.approx(70)
    assert sample(latency_ms=70, lag_ms=30).lag_ms == pytest.approx(30)


def test_an_answer_at_the_deadline_and_its_way_back_is_in_time() -> None:
    for latency_ms, expected in ((259, Verdict.PASS), (261, Verdict.FAIL)):
        assert verdict([sample(latency_ms)] * 1000, 250, in_deadline=0.9).verdict is expected


def test_one_picture_asked_a_thousand_times_is_one_picture() -> None:
    samples = [sample(right=((number % 2, True),)) for number in range(1000)]
    judged = verdict(samples, accuracy=0.5)
    assert judged.verdict is Verdict.NOT_PROVED
    assert "2 of 2 labelled pictures" in judged.findings[0].why


@pytest.mark.parametrize(("right", "expected"), [(37, Verdict.PASS), (30, Verdict.NOT_PROVED), (18, Verdict.FAIL)])
def test_accuracy_is_proved_by_pictures(right: int, expected: Verdict) -> None:
    samples = [sample(right=((number, number < right),)) for number in range(40)] * 5
    assert verdict(samples, accuracy=0.7).verdict is expected


@pytest.mark.parametrize(
    ("money", "expected"), [(0.9e-3, Verdict.PASS), (1.1e-3, Verdict.FAIL), (1.0001e-3, Verdict.NOT_PROVED)]
)
def test_cost_is_held_by_the_interval_of_its_mean(money: float, expected: Verdict) -> None:
    samples = [sample(money=money * factor) for factor in (0.95, 1.05) * 50]
    assert verdict(samples, cost_per_1000=1).verdict is expected


def test_an_answer_without_a_receipt_leaves_the_cost_open() -> None:
    samples = [sample(money=1e-6)] * 100 + [sample()]
    assert verdict(samples, cost_per_1000=1).verdict is Verdict.NOT_PROVED


def test_the_worst_promise_decides() -> None:
    samples = [sample(money=1e-3)] * 500
    judged = verdict(samples, latency_ms=P99, cost_per_1000=0.5)
    assert [finding.verdict for finding in judged.findings] == [Verdict.PASS, Verdict.FAIL]
    assert judged.verdict is Verdict.FAIL
