"""The area `slo`: how well deadlines, admission, receipts and verdicts keep what they promise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import TypeAlias

import grpc
import httpx

from services.bench.cluster import Cluster
from services.bench.cluster_figures import FULL, HELLO, Images
from services.bench.floor import floor_ratio
from services.bench.floor_knative import knative_floor_ratio
from services.bench.report import Group
from services.bench.slo_batching import MODELS, batching
from services.bench.slo_cold import cold_starts, with_spare
from services.bench.slo_deadline import in_deadline, overload
from services.bench.slo_fleet import fleet
from services.bench.slo_idle import idle_cost
from services.bench.slo_int8 import int8_member
from services.bench.slo_queue import queued_bytes
from services.bench.slo_receipts import receipts
from services.bench.slo_soak import soak
from services.bench.slo_verdict import AROUND, agreement
from services.edge.errors import StrataError, Unsupported
from services.edge.progress import Progress

Figures: TypeAlias = dict[str, float]

PACKAGES = ("grpcio", "numpy", "mlcommons-loadgen", "ray")
BARS = {
    "in_deadline": ">= 0.99",
    "in_deadline.complete": ">= 0.97",
    "in_deadline.accuracy_points_lost": "<= 0.5",
    "goodput": ">= 0.9",
    "refusal_ms.p99": "<= 20",
    "accepted_late": "<= 0.01",
    "subset_misses": "<= 0.2",
    "queued_bytes": "<= 1.2",
    "batching.throughput": ">= 1.3",
    "batching.throughput.worst": ">= 0.97",
    "batching.added_ms": "<= 1",
    "cold_ratio": "<= 1.5",
    "cold_ratio.pool": "<= 1.2",
    "cold_chain.ensemble": "<= 1.2",
    "idle_cost": "<= 0.25",
    "floor_ratio.embedded": "<= 1.5",
    "floor_ratio.knative": "<= 1.3",
    "int8_member.speedup": ">= 1.8",
    "int8_member.bytes": "<= 0.3",
    "int8_member.accuracy_drop": "<= 1",
    "receipt_error": "<= 0.05",
    "receipt_gap": "<= 0",
    "metering_cost": "<= 0.01",
    "verdict_agreement": ">= 10",
    "soak.wrong": "<= 0",
    "soak.lost": "<= 0",
    "soak.memory_growth": "<= 0.05",
}
PLOTS = (
    Group(
        "Answered in time, one member late on a tenth",
        "share of requests",
        ("in_deadline", "in_deadline.complete", "in_deadline.complete_of_all"),
        ("by the deadline", "by all members,\nno late work", "by all members"),
    ),
    Group(
        "Offered twice the capacity",
        "answers in time over capacity",
        ("goodput", "goodput.subset", "goodput.start"),
        ("refuse", "subset", "start all"),
    ),
    Group(
        "Memory of a picture that waits",
        "over its file",
        ("queued_bytes.grpc", "queued_bytes.http"),
        ("gRPC", "HTTP"),
    ),
    Group(
        "From zero to an answer",
        "s",
        [f"cold_s.{name}" for name in (HELLO, *FULL, "full")],
        ["hello world", "EfficientNet-B0", "MobileNetV2", "NASNet-A", "all three"],
    ),
    Group(
        "Eight users: with batching over without",
        "answers a second, ratio",
        [f"batching.throughput.{name.replace('_', '-')}" for name in MODELS],
        [name.replace("_", "-") for name in MODELS],
    ),
)


@dataclass(frozen=True)
class SloEffort:
    """How much is measured.

    Attributes:
        requests: of each run.
        judged: requests of each run of the verdict's.
        loads: that the verdict is given at, over the limit.
        models: that are asked with batching and without.
        rounds: of passes that are timed in turns.
        soak_s, kill_every_s: how long load lasts, and how often a process is killed meanwhile.
        cold_rounds: of starts from zero.
        idle_requests: five minutes apart.
        fleet_models, fleet_rate, fleet_s: models that are simulated, requests a second, and for how long.
    """

    requests: int
    judged: int
    loads: Sequence[float]
    models: Sequence[str]
    rounds: int
    soak_s: float
    kill_every_s: float
    cold_rounds: int
    idle_requests: int
    fleet_models: int
    fleet_rate: float
    fleet_s: float


FULL_EFFORT = SloEffort(
    requests=1500,
    judged=1500,
    loads=AROUND,
    models=MODELS,
    rounds=5,
    soak_s=600,
    kill_every_s=60,
    cold_rounds=5,
    idle_requests=3,
    fleet_models=1000,
    fleet_rate=10_000,
    fleet_s=60,
)
QUICK_EFFORT = SloEffort(
    requests=200,
    judged=500,
    loads=(0.5, 2.0),
    models=MODELS[:1],
    rounds=3,
    soak_s=60,
    kill_every_s=15,
    cold_rounds=1,
    idle_requests=1,
    fleet_models=100,
    fleet_rate=1000,
    fleet_s=20,
)


@dataclass(frozen=True)
class SloSubject:
    """What is measured, with how much effort.

    Attributes:
        pictures: held out, a folder per class; without it, no accuracy.
        place: the cluster; None leaves Knative out.
        images: what is installed there.
    """

    effort: SloEffort
    pictures: Path | None
    place: Cluster | None
    images: Images
    progress: Progress

    @property
    def cluster(self) -> Cluster:
        """The place, for a part that cannot do without. Raises Unsupported: there is none."""
        if self.place is None:
            raise Unsupported("it needs a cluster with Knative Serving that KUBECONFIG names (k8s/README.md)")
        return self.place

    @property
    def turns(self) -> int:
        """How often an ensemble and its bare hops take turns."""
        return max(3, self.effort.requests // 150)


_Part: TypeAlias = Callable[[SloSubject], Iterator[Figures]]
_PARTS: dict[str, tuple[float, _Part]] = {
    "receipts": (2, lambda its: receipts(its.effort.requests // 5, its.progress)),
    "queue": (1, lambda its: queued_bytes(its.progress)),
    "batching": (15, lambda its: batching(its.effort.models, its.effort.requests // 10, 3, its.progress)),
    "floor": (2, lambda its: floor_ratio(its.turns, its.progress)),
    "int8": (6, lambda its: int8_member(its.pictures, its.effort.rounds, its.progress)),
    "deadline": (5, lambda its: in_deadline(its.effort.requests, its.progress)),
    "overload": (3, lambda its: overload(its.effort.requests, its.progress)),
    "fleet": (5, lambda its: fleet(its.effort.fleet_models, its.effort.fleet_rate, its.effort.fleet_s, its.progress)),
    "verdict": (45, lambda its: agreement(its.effort.judged, its.effort.loads, its.progress)),
    "path": (4, lambda its: knative_floor_ratio(its.cluster, its.images, its.turns, its.progress)),
    "cold": (15, lambda its: cold_starts(its.cluster, its.images, its.effort.cold_rounds, its.progress)),
    "spare": (6, lambda its: with_spare(its.cluster, its.images, its.effort.cold_rounds, its.progress)),
    "idle": (18, lambda its: idle_cost(its.cluster, its.images, its.effort.idle_requests, its.progress)),
    "soak": (1, lambda its: soak(its.effort.soak_s, its.effort.kill_every_s, its.progress)),
}
"""Each with the minutes that it takes at full effort on two idle cores, roughly, the soak's own time not counted."""
PARTS = tuple(_PARTS)
ON_KNATIVE = ("path", "cold", "spare", "idle")


def measure(subject: SloSubject, parts: Sequence[str], left_out: dict[str, str]) -> Iterator[Figures]:
    """Measure parts, figures as they come; one that cannot be measured here is noted, and the others go on.

    Args:
        left_out: gets what kept each such part: a service did not start or answer, LoadGen is not installed, no control
            group can be made.
    """
    for number, part in enumerate(parts):
        minutes = sum(_PARTS[each][0] for each in parts[number:])
        minutes += subject.effort.soak_s / 60 if "soak" in parts[number:] else 0
        subject.progress(f"part {number + 1} of {len(parts)}: {part}; some {minutes:.0f} minutes left at full effort")
        try:
            yield from _PARTS[part][1](subject)
        except (StrataError, CalledProcessError, grpc.RpcError, httpx.HTTPError) as error:
            left_out[part] = str(error)
            subject.progress(f"{part} is left out: {error}")
