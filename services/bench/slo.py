"""The area `slo`: how well deadlines, admission, receipts and verdicts keep what they promise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError
from typing import TypeAlias

from services.bench.floor import floor_ratio
from services.bench.report import Group
from services.bench.slo_batching import MODELS, batching
from services.bench.slo_deadline import in_deadline, overload
from services.bench.slo_int8 import int8_member
from services.bench.slo_queue import queued_bytes
from services.bench.slo_receipts import receipts
from services.bench.slo_soak import soak
from services.bench.slo_verdict import AROUND, agreement
from services.edge.errors import StrataError
from services.edge.progress import Progress

Figures: TypeAlias = dict[str, float]

PACKAGES = ("grpcio", "numpy", "mlcommons-loadgen")
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
    "floor_ratio.embedded": "<= 1.5",
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
        "Eight users: with batching over without",
        "answers a second, ratio",
        [f"batching.throughput.{name.replace('_', '-')}" for name in MODELS],
        [name.replace("_", "-") for name in MODELS],
    ),
)
NOTES = """
Everything runs on one machine, as `strata serve` runs it; latency counts from when a request was due, in open loops
with Poisson arrivals and a fixed seed.

`in_deadline`: three members that sleep 20, 30 and 20 ms; one is 500 ms late on a tenth of the requests, those with a
white picture. The deadline is 1.5 times the median of an idle ensemble, the load half of what the ensemble can take of
the same mix. The figure is the share of all requests that were answered by the deadline and 10 ms for the way;
`.complete` the share of those answered by all members, among requests that met no late work: neither their own nor that
of one which came up to 0.6 s before; `.accuracy_points_lost` what the missing members would cost the shipped ensemble,
by its table of measured accuracies.

`goodput`: two members that sleep 20 and 30 ms are offered twice what they can take, with a deadline of 200 ms, in three
ways that take turns: refuse what would be late, start the best subset that fits, start all. `goodput` is answers of
all members in time a second over the capacity where late requests are refused; `.subset` and `.start` are answers of
any members. `refusal_ms` counts from when the request was due. `accepted_late` is the share of what was not refused
that was not answered in time. `subset_misses` divides requests accepted and not answered in time, with the subset
chosen first, by those where all members start and are waited for; `.with_refusals` counts what was refused as missed.

`queued_bytes`: what each of 24 more requests that wait adds to the resident memory of the front door, over its file,
where six wait already.

`batching.throughput`: AlexNet as a service of one thread, asked directly by eight users, each of whom sends a picture,
waits for its scores, and sends the next: answers a second with batching as it was chosen when the model was compiled,
over those without; `.NAME` the same of other models at full size, `.worst` the least of all. `batching.largest.NAME` is
what was chosen, 1 being off. `batching.added_ms`: how much later the median answer is for one user alone.

`floor_ratio.embedded`: what an ensemble of members that sleep 100, 60 and 40 ms adds to the slowest, over what bare
hops add: gRPC servers in as many processes that pass the same bytes on, rest as long, and do nothing else. Medians of
20 requests, in turns; `.overhead_ms` and `.floor_ms` are both in ms.

`int8_member`, on one thread of this machine's instruction set, batch 1: ResNet-50 with random weights, as a model file
declares it in float and in int8, each compiled for its fastest runtime: passes in turns, and `.bytes` of the compiled
folders. `.NAME` are the shipped ensemble's members, small networks for small pictures, calibrated on the shipped
pictures; `.accuracy_drop` is the most that one of them loses on held-out ones, in points.

`receipt_error`: MobileNetV2 at full size in a control group of its own. The sum of what receipts state as usage against
what the kernel counted: the larger error of batch 1 alone, batch 32 alone, both at once, and each of these two at once
against what the same requests took alone. `receipt_gap`: allocations, and what is on no receipt, against the kernel's
count over the whole life of the process. `metering_cost`: the meter, the ledger, the header and the line in the log,
over the median latency at batch 1.

`verdict_agreement`: the verdicts of `strata load` and of MLPerf LoadGen's Server scenario on one ensemble of two
members that sleep 20 and 30 ms, p99 of 150 ms, at ten loads around the highest that a search as that of
`strata load --find` found inside that limit: on how many of them both say that it is kept, or neither. The two take
turns, each with its own Poisson arrivals and as many queries. `verdict_agreement.limit` is the limit in requests a
second, `.load.N` each load. `.ours.N` and `.loadgen.N` are 1 where it was said to be kept, `.late` how many of the
queries were late.

`soak`: the shipped ensemble for `soak.minutes`, four requests of a picture a second over gRPC and one of eight over
HTTP, while a member's process is killed each minute. `.wrong`: answers that are none, and complete ones that are right
about a picture where the first was not, or the other way round; `.lost`: requests without an answer; `.memory_growth`:
of the front door, from the second fifth of the time to the last. `.complete`: the share that all members answered.
"""


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
    """

    requests: int
    judged: int
    loads: Sequence[float]
    models: Sequence[str]
    rounds: int
    soak_s: float
    kill_every_s: float


FULL_EFFORT = SloEffort(1500, 1500, AROUND, MODELS, 5, 600, 60)
QUICK_EFFORT = SloEffort(200, 500, (0.5, 2.0), MODELS[:1], 3, 60, 15)


@dataclass(frozen=True)
class SloSubject:
    """What is measured, with how much effort.

    Attributes:
        pictures: held out, a folder per class; without it, no accuracy.
    """

    effort: SloEffort
    pictures: Path | None
    progress: Progress


_Part: TypeAlias = Callable[[SloSubject], Iterator[Figures]]
_PARTS: dict[str, tuple[float, _Part]] = {
    "receipts": (2, lambda its: receipts(its.effort.requests // 5, its.progress)),
    "queue": (1, lambda its: queued_bytes(its.progress)),
    "batching": (15, lambda its: batching(its.effort.models, its.effort.requests // 10, 3, its.progress)),
    "floor": (2, lambda its: floor_ratio(max(3, its.effort.requests // 150), its.progress)),
    "int8": (6, lambda its: int8_member(its.pictures, its.effort.rounds, its.progress)),
    "deadline": (5, lambda its: in_deadline(its.effort.requests, its.progress)),
    "overload": (3, lambda its: overload(its.effort.requests, its.progress)),
    "verdict": (33, lambda its: agreement(its.effort.judged, its.effort.loads, its.progress)),
    "soak": (1, lambda its: soak(its.effort.soak_s, its.effort.kill_every_s, its.progress)),
}
"""Each with the minutes that it takes at full effort on two idle cores, roughly, the soak's own time not counted."""
PARTS = tuple(_PARTS)


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
        except (StrataError, CalledProcessError) as error:
            left_out[part] = str(error)
            subject.progress(f"{part} is left out: {error}")
