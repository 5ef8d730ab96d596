"""What became of a simulated fleet's requests, and what it held for them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.edge.receipts import Allocation, Tariff, Usage, price, price_allocation
from services.ensemble.fleet.load import Floats


@dataclass(frozen=True)
class PodsHeld:
    """What pods held and spent while requests came.

    Attributes:
        starts: pods that were started.
        most, mean: pods that were there, those that start and those on their way out with them.
        most_waiting: pods at a time for which there was no room.
        gb_s: their memory over time, in GiB·s.
        cpu_s: what they computed, and one CPU's whole time for each start, which is the most.
    """

    starts: int
    most: int
    mean: float
    most_waiting: int
    gb_s: float
    cpu_s: float


@dataclass(frozen=True)
class FleetOutcome:
    """Shares are of all requests.

    Attributes:
        complete: answered by the deadline by all members.
        in_deadline: answered by the deadline by as many as make an answer.
        refused: at once.
        late: not refused, and fewer than that were in.
        cold: asked a member that had to start first.
        mean_ms, p50_ms, p99_ms: of those answered; infinite where none was.
        money: for what was held and spent, and for the requests that were answered.
        complete_by_s: [S] `complete` of the requests that came in each second; 1 where none came.
    """

    requests: int
    complete: float
    in_deadline: float
    refused: float
    late: float
    cold: float
    mean_ms: float
    p50_ms: float
    p99_ms: float
    held: PodsHeld
    money: float
    complete_by_s: tuple[float, ...]


@dataclass(frozen=True)
class RequestsEnded:
    """How each of R requests ended.

    Attributes:
        latency_s: [R] NaN where it was not answered.
        complete, refused, cold: [R].
    """

    latency_s: Floats
    complete: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    cold: NDArray[np.bool_]


def sum_up(ended: RequestsEnded, at_s: Floats, seconds: float, held: PodsHeld, tariff: Tariff) -> FleetOutcome:
    """Make shares, percentiles and money of it."""
    answered = ~np.isnan(ended.latency_s)
    requests = len(at_s)
    latency_ms = 1e3 * ended.latency_s[answered] if answered.any() else np.full(1, np.inf)
    p50_ms, p99_ms = np.quantile(latency_ms, (0.5, 0.99), method="higher")
    second = at_s.astype(np.int64)
    came = np.bincount(second, minlength=int(np.ceil(seconds)))
    complete = np.bincount(second, ended.complete, minlength=len(came))
    by_s = np.divide(complete, came, out=np.ones(len(came)), where=came > 0)
    allocation = Allocation(held.cpu_s, held.gb_s)
    return FleetOutcome(
        requests=requests,
        complete=float(ended.complete.sum() / requests),
        in_deadline=float(answered.sum() / requests),
        refused=float(ended.refused.sum() / requests),
        late=float((~answered & ~ended.refused).sum() / requests),
        cold=float(ended.cold.sum() / requests),
        mean_ms=float(latency_ms.mean()),
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
        held=held,
        money=price_allocation(allocation, tariff) + price(Usage(requests=int(answered.sum())), tariff),
        complete_by_s=tuple(by_s.tolist()),
    )
