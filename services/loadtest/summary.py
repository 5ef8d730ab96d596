"""The numbers of a run, whatever was promised."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.loadtest.confidence import Bounds, mean, percentile
from services.loadtest.samples import Outcome, Sample

PERCENTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Summary:
    """What became of all requests of a run; at least one.

    Attributes:
        outcomes: how many requests ended in each way; all ways are there.
        reasons: why requests were not answered, the most frequent first.
        complete: answers of all members.
        offered, answered: requests, and answers, a second.
        latencies_ms: by share; a request without an answer is infinitely late.
        lag_ms: the 99th percentile of how late requests were sent.
        cost_per_1000: None where no answer has a receipt.
    """

    requests: int
    outcomes: dict[Outcome, int]
    reasons: tuple[tuple[str, int], ...]
    complete: int
    offered: float
    answered: float
    latencies_ms: dict[float, Bounds]
    lag_ms: float
    cost_per_1000: Bounds | None


def summarise(samples: Sequence[Sample], seconds: float) -> Summary:
    """Sum up a run whose requests came over so many s."""
    outcomes = Counter(sample.ended.outcome for sample in samples)
    reasons = Counter(f"{each.ended.outcome}: {each.ended.reason}" for each in samples if not each.answered)
    ordered = latencies_ms(samples)
    return Summary(
        requests=len(samples),
        outcomes={outcome: outcomes[outcome] for outcome in Outcome},
        reasons=tuple(reasons.most_common(5)),
        complete=sum(sample.ended.complete for sample in samples),
        offered=len(samples) / seconds,
        answered=outcomes[Outcome.ANSWERED] / max(seconds, max(sample.done_s for sample in samples)),
        latencies_ms={share: percentile(ordered, share) for share in PERCENTILES},
        lag_ms=percentile(sorted(sample.lag_ms for sample in samples), 0.99).value,
        cost_per_1000=cost_per_1000(samples),
    )


def latencies_ms(samples: Iterable[Sample]) -> list[float]:
    """Return every request's latency, ascending; infinite where no answer came."""
    return sorted(sample.latency_ms if sample.answered else math.inf for sample in samples)


def cost_per_1000(samples: Iterable[Sample]) -> Bounds | None:
    """Estimate the money for 1000 answers; None where none has a receipt."""
    money = [1000 * each.ended.money for each in samples if each.answered and each.ended.money is not None]
    return mean(money) if money else None


def rights(samples: Iterable[Sample]) -> tuple[int, int]:
    """Return how many of the labelled pictures were classified rightly, and how many there were.

    A picture that is asked a hundred times is still one: a service's answers to it hang together. It counts as right
    where most of its answers were.
    """
    votes: dict[int, Counter[bool]] = defaultdict(Counter)
    for sample in samples:
        for number, right in sample.ended.right:
            votes[number][right] += 1
    return sum(each[True] > each[False] for each in votes.values()), len(votes)
