"""What a fleet that nobody has bought would come to, and how near a simulation comes to a front door that runs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from services.edge.progress import Progress
from services.edge.receipts import CLOUD_RUN
from services.ensemble.domain import WhenLate
from services.ensemble.fleet.load import Demand, draw_load, from_nothing
from services.ensemble.fleet.pods import Scale
from services.ensemble.fleet.simulation import Fleet, simulate_fleet

Figures: TypeAlias = dict[str, float]

_MEMBERS = 3
_POPULARITY = 2.2
_SERVICE_S = 0.02
_DEADLINE_S = 0.2
_CPUS_PER_RATE = 0.2
_GB_PER_RATE = 0.1
_POD_MB = 300
_SLEEPERS_DIFFER_S = 0.01
"""The members of `examples/measure/overload-*.yaml` sleep 20 and 30 ms."""


def fleet(models: int, rate: float, seconds: float, progress: Progress) -> Iterator[Figures]:
    """So many models under so much load, from zero and back, and the same models all kept."""
    load = draw_load(Demand(models, _MEMBERS, rate, seconds, _POPULARITY, _SERVICE_S), seed=0)
    cpus, memory_gb = round(_CPUS_PER_RATE * rate), _GB_PER_RATE * rate
    asked = Fleet(cpus, memory_gb, _POD_MB, Scale(start_s=3.0, most=500), _DEADLINE_S, WhenLate.SUBSET)
    found = simulate_fleet(asked, load, CLOUD_RUN, progress)
    yield {
        "fleet.in_deadline": found.in_deadline,
        "fleet.complete": found.complete,
        "fleet.refused": found.refused,
        "fleet.late": found.late,
        "fleet.cold_share": found.cold,
        "fleet.p99_ms": found.p99_ms,
        "fleet.starts": found.held.starts,
        "fleet.pods": found.held.mean,
        "fleet.pods_at_most": found.held.most,
        "fleet.gb_s": found.held.gb_s,
        "fleet.cpu_s": found.held.cpu_s,
    }
    kept = simulate_fleet(replace(asked, scale=replace(asked.scale, least=1)), load, CLOUD_RUN, progress)
    yield {
        "fleet.kept_in_deadline": kept.in_deadline,
        "fleet.kept_complete": kept.complete,
        "fleet.kept_gb_s": kept.held.gb_s,
        "fleet.gb_s_over_kept": found.held.gb_s / kept.held.gb_s,
    }


def simulated_goodput(limit: float, dues_s: Sequence[float], deadline_s: float) -> float:
    """Answers of both sleeping members in time over what they can answer, where what would be late is refused.

    Args:
        limit: requests a second that the real ones answered: what the slower member takes for one, with all around it.
        dues_s: when requests came, in order.
    """
    slower_s = 1.0 / limit
    at_s = np.array(dues_s) - dues_s[0]
    services_s = np.tile([max(0.0, slower_s - _SLEEPERS_DIFFER_S), slower_s], (len(at_s), 1))
    lasted_s = float(at_s[-1])
    two = Fleet(2, 2.0, 1024, Scale(start_s=0.0, least=1, most=1), deadline_s, WhenLate.REFUSE)
    found = simulate_fleet(two, from_nothing(at_s, services_s, lasted_s), CLOUD_RUN)
    return found.complete * len(at_s) / lasted_s / limit
