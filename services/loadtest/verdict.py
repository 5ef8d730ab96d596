"""Was the SLO kept? Each promise is passed, failed or not proved, at 99 %."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from services.loadtest.confidence import CONFIDENCE, percentile, requests_needed, sure_of_at_least, sure_of_less
from services.loadtest.samples import Sample
from services.loadtest.scenario import Slo, share_of
from services.loadtest.summary import cost_per_1000, latencies_ms, rights

DEADLINE_GRACE_MS = 10.0
"""An answer leaves at the deadline; this is what its way may take."""

_LAG_SHARE = 0.1
_LEAST_LAG_MS = 5.0


class Verdict(StrEnum):
    """`not proved`: too few requests to be sure, or a load that was not the one that was asked for."""

    PASS = "pass"
    FAIL = "fail"
    NOT_PROVED = "not proved"


EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.NOT_PROVED: 3}
EXIT_CANNOT_RUN = 2
"""What a command ends with: a run that could not be made has no verdict."""


@dataclass(frozen=True)
class Finding:
    """One promise held against what was measured.

    Attributes:
        promise: in words, with its limit.
        measured: in the promise's unit: ms, a share, or money.
        sure: how sure the run makes us that the promise is kept; where it failed, that it is broken.
        why: the counts behind it, and what would settle it.
    """

    promise: str
    verdict: Verdict
    measured: float
    sure: float
    why: str


@dataclass(frozen=True)
class Judgement:
    """The verdict on a run, and what it rests on; `remark` says what no finding says."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    remark: str = ""


def judge(samples: Sequence[Sample], slo: Slo, deadline_ms: float | None) -> Judgement:
    """Hold a run against its SLO.

    Every promise must pass. Each is tested at 99 %: a service that just breaks one passes it in one run of a hundred.

    Args:
        deadline_ms: of each request; needed where a share within it is promised.
    """
    if not samples:
        return Judgement(Verdict.NOT_PROVED, (), "no request was due")
    findings = tuple(_findings(samples, slo, deadline_ms))
    if not any(sample.answered for sample in samples):
        return Judgement(Verdict.FAIL, findings, "no request was answered")
    lag_ms = percentile(sorted(sample.lag_ms for sample in samples), 0.99).value
    allowed_ms = allowed_lag_ms(slo, deadline_ms)
    if lag_ms > allowed_ms:
        remark = (
            f"the generator did not keep its own schedule: 1 % of the requests left {lag_ms:.1f} ms late or later, "
            f"{allowed_ms:.1f} are allowed; ask less, or from a machine with more room"
        )
        return Judgement(Verdict.NOT_PROVED, findings, remark)
    verdicts = {finding.verdict for finding in findings}
    worst = next(each for each in (Verdict.FAIL, Verdict.NOT_PROVED, Verdict.PASS) if each in verdicts)
    return Judgement(worst, findings)


def allowed_lag_ms(slo: Slo, deadline_ms: float | None) -> float:
    """Return how late the generator may be: a tenth of the tightest limit, and never less than a few ms."""
    limits = [*slo.latency_ms.values(), *([deadline_ms] if slo.in_deadline and deadline_ms else [])]
    return max(_LEAST_LAG_MS, _LAG_SHARE * min(limits, default=1000.0))


def _findings(samples: Sequence[Sample], slo: Slo, deadline_ms: float | None) -> Iterator[Finding]:
    ordered = latencies_ms(samples)
    for name, limit_ms in slo.latency_ms.items():
        share = share_of(name)
        measured = percentile(ordered, share).value
        yield _latency(f"{name} latency <= {limit_ms:g} ms", measured, ordered, share, limit_ms)
    if slo.in_deadline is not None and deadline_ms is not None:
        limit_ms = deadline_ms + DEADLINE_GRACE_MS
        measured = sum(each <= limit_ms for each in ordered) / len(ordered)
        promise = f"{slo.in_deadline:.4g} of requests within {deadline_ms:g} ms"
        yield _latency(promise, measured, ordered, slo.in_deadline, limit_ms)
    if slo.accuracy is not None:
        yield _accuracy(samples, slo.accuracy)
    if slo.cost_per_1000 is not None:
        yield _cost(samples, slo.cost_per_1000)


def _latency(promise: str, measured: float, ordered: Sequence[float], share: float, limit_ms: float) -> Finding:
    good, n = sum(each <= limit_ms for each in ordered), len(ordered)
    verdict, sure = _proportion(good, n, share)
    why = f"{n - good} of {n} late or not answered"
    if verdict is Verdict.NOT_PROVED:
        more = requests_needed(n - good, share) - n
        why += f"; {more} more requests in time would prove it"
    return Finding(promise, verdict, measured, sure, why)


def _accuracy(samples: Sequence[Sample], floor: float) -> Finding:
    right, pictures = rights(samples)
    verdict, sure = _proportion(right, pictures, floor)
    why = f"{right} of {pictures} labelled pictures right"
    if verdict is Verdict.NOT_PROVED:
        why += "; more labelled pictures would settle it, more requests would not"
    return Finding(f"accuracy >= {floor:g}", verdict, right / pictures if pictures else 0.0, sure, why)


def _proportion(good: int, n: int, share: float) -> tuple[Verdict, float]:
    kept, broken = sure_of_at_least(good, n, share), sure_of_less(good, n, share)
    if kept > CONFIDENCE:
        return Verdict.PASS, kept
    if broken > CONFIDENCE:
        return Verdict.FAIL, broken
    return Verdict.NOT_PROVED, kept


def _cost(samples: Sequence[Sample], ceiling: float) -> Finding:
    promise = f"1000 requests cost <= {ceiling:g}"
    without = sum(sample.answered and sample.ended.money is None for sample in samples)
    cost = cost_per_1000(samples)
    if cost is None or without:
        return Finding(promise, Verdict.NOT_PROVED, 0.0, 0.0, f"{without} answers have no receipt")
    why = f"between {cost.low:.4g} and {cost.high:.4g}"
    if cost.low <= ceiling < cost.high:
        return Finding(promise, Verdict.NOT_PROVED, cost.value, 0.0, why)
    return Finding(promise, Verdict.PASS if cost.high <= ceiling else Verdict.FAIL, cost.value, CONFIDENCE, why)
