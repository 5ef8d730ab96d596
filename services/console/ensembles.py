"""What the front door of ensembles counts, as people look at it: by member, and lately."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True)
class LatencyCounts:
    """A histogram's counters: `buckets` are pairs of an upper bound in seconds and the count up to it, ascending."""

    buckets: tuple[tuple[float, float], ...] = ()
    sum_s: float = 0.0
    count: float = 0.0

    def since(self, before: "LatencyCounts") -> "LatencyCounts":
        """What came after `before`; all of it where the counters began anew."""
        if before.count > self.count or len(before.buckets) != len(self.buckets):
            return self
        buckets = tuple(
            (bound, count - earlier) for (bound, count), (_, earlier) in zip(self.buckets, before.buckets, strict=True)
        )
        return LatencyCounts(buckets, self.sum_s - before.sum_s, self.count - before.count)

    @property
    def mean_ms(self) -> float | None:
        """None of no requests."""
        return 1e3 * self.sum_s / self.count if self.count else None

    def percentile_ms(self, share: float) -> float | None:
        """Estimated inside its bucket, as Prometheus' histogram_quantile does; None of no requests."""
        wanted = share * self.count
        for (low, below), (high, upto) in pairwise(((0.0, 0.0), *self.buckets)):
            if self.count and upto >= wanted and upto > below:
                inside = (wanted - below) / (upto - below)
                return 1e3 * (low if high == float("inf") else low + (high - low) * inside)
        return None


@dataclass(frozen=True)
class MemberCounts:
    """Counters of one member.

    Attributes:
        states: requests by what became of them: answered, missing, failed.
        replicas: processes that run now; None where nobody here knows.
    """

    states: Mapping[str, float] = field(default_factory=dict)
    latency: LatencyCounts = field(default_factory=LatencyCounts)
    cold_starts: float = 0.0
    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0
    money: float = 0.0
    replicas: int | None = None


@dataclass(frozen=True)
class EnsembleCounts:
    """Counters of one ensemble; `outcomes` are requests by how they ended: answered, or an error's name."""

    outcomes: Mapping[str, float] = field(default_factory=dict)
    latency: LatencyCounts = field(default_factory=LatencyCounts)
    members: Mapping[str, MemberCounts] = field(default_factory=dict)
    currency: str = ""


@dataclass(frozen=True)
class ServedEnsemble:
    """An ensemble as declared, and its counters."""

    name: str
    rule: str
    mode: str
    deadline_ms: int
    weights: Mapping[str, float]
    counts: EnsembleCounts


@dataclass(frozen=True)
class Observed:
    """All ensembles at one instant, seconds on any clock."""

    at_s: float
    under_way: int
    ensembles: Sequence[ServedEnsemble]


class Lately:
    """The observations of the last seconds, to say what came since.

    Args:
        window_s: how far back.
    """

    def __init__(self, window_s: float):
        self._window_s = window_s
        self._seen: list[Observed] = []

    def add(self, observed: Observed) -> None:
        """Take the newest; keep the youngest of those that are old enough to compare it with."""
        self._seen.append(observed)
        while len(self._seen) > 1 and self._seen[1].at_s <= observed.at_s - self._window_s:
            self._seen.pop(0)

    def latency(self, ensemble: ServedEnsemble) -> LatencyCounts:
        """Of the requests that were answered since."""
        first = {each.name: each for each in self._seen[0].ensembles} if self._seen else {}
        before = first.get(ensemble.name)
        return ensemble.counts.latency.since(before.counts.latency if before else LatencyCounts())
