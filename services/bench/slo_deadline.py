"""What a deadline and admission are worth: one late member of three, and twice the load that can be answered."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import TypeAlias

from services.bench.ensemble import EXAMPLES, MEASURE
from services.bench.local_figures import served
from services.bench.rounds import percentile
from services.bench.slo_fleet import simulated_goodput
from services.bench.slo_loads import capacity, open_loop, picture
from services.ensemble.accuracy_file import read_accuracy
from services.ensemble.ensemble_file import read_ensemble_file
from services.loadtest.samples import Outcome, Sample

Figures: TypeAlias = dict[str, float]

_WAY_MS = 10.0
_ORDINARY, _WHITE = 0, 255
_EVERY = 10
"""One request in so many has a white picture, on which a member is late."""
_LATE_S = 0.5
_PATIENT_MS = 10_000.0
_OVERLOAD_DEADLINE_MS = 200.0


def in_deadline(requests: int, tell: Callable[[str], None]) -> Iterator[Figures]:
    """One member is half a second late on a tenth of the requests; the deadline is 1.5 times the usual median."""
    yield from _in_deadline("one-late", "in_deadline", requests, tell)
    yield from _in_deadline("one-late-longer", "in_deadline.longer", requests // 3, tell)


def _in_deadline(ensemble: str, key: str, requests: int, tell: Callable[[str], None]) -> Iterator[Figures]:
    with served([MEASURE / f"{ensemble}.yaml"]) as place:
        tell(f"{key}: what the ensemble can take, and its median at half of that while no member is late")
        rate = capacity(place, ensemble, 200, lambda number: picture(_level(number))) / 2
        usual = open_loop(place, ensemble, rate, requests // 4, _PATIENT_MS, lambda _: picture(_ORDINARY))
        deadline_ms = 1.5 * median(sample.latency_ms for sample in usual)
        tell(f"{key}: {requests} requests at {rate:.3g} a second, deadline {deadline_ms:.0f} ms")
        samples = open_loop(place, ensemble, rate, requests, deadline_ms, lambda number: picture(_level(number)))
    ordinary = [sample for number, sample in enumerate(samples) if not _is_held_up(number, samples)]
    whole = _share(samples, lambda sample: sample.ended.complete)
    yield {
        key: _share(samples, lambda sample: sample.answered and sample.latency_ms <= deadline_ms + _WAY_MS),
        f"{key}.complete": _share(ordinary, lambda sample: sample.ended.complete),
        f"{key}.complete_of_all": whole,
        f"{key}.accuracy_points_lost": _points_lost(whole),
        f"{key}.deadline_ms": deadline_ms,
        f"{key}.rate": rate,
        f"{key}.requests": len(samples),
    }


def overload(requests: int, tell: Callable[[str], None]) -> Iterator[Figures]:
    """Twice the load that can be answered, with the three ways to meet it in turn."""
    ways = ("refuse", "subset", "start")
    with served([MEASURE / f"overload-{way}.yaml" for way in ways]) as place:
        tell("goodput: what the ensemble can take")
        limit = capacity(place, "overload-start", 200, lambda _: picture(_ORDINARY))
        runs = {}
        for way in ways:
            tell(f"goodput: {requests} requests at {2 * limit:.3g} a second, when late: {way}")
            runs[way] = open_loop(
                place, f"overload-{way}", 2 * limit, requests, _OVERLOAD_DEADLINE_MS, lambda _: picture(_ORDINARY)
            )
    refused = [sample.latency_ms for way in ("refuse", "subset") for sample in runs[way] if _refused(sample)]
    accepted = [sample for way in ("refuse", "subset") for sample in runs[way] if not _refused(sample)]
    late = {way: sum(not _refused(sample) and not _kept(sample) for sample in runs[way]) for way in ways}
    missed = {way: sum(not _kept(sample) for sample in runs[way]) for way in ways}
    goodput = _goodput(runs["refuse"], lambda sample: sample.ended.complete) / limit
    simulated = simulated_goodput(limit, [sample.due_s for sample in runs["refuse"]], _OVERLOAD_DEADLINE_MS / 1e3)
    yield {
        "goodput": goodput,
        "fleet.goodput": simulated,
        "fleet.goodput_error": abs(simulated / goodput - 1) if goodput else float("inf"),
        "goodput.subset": _goodput(runs["subset"], lambda _: True) / limit,
        "goodput.start": _goodput(runs["start"], lambda _: True) / limit,
        "goodput.capacity": limit,
        "refusal_ms.p99": percentile(refused, 0.99) if refused else float("inf"),
        "refusal_ms.p50": percentile(refused, 0.5) if refused else float("inf"),
        "refusal_ms.count": len(refused),
        "accepted_late": _share(accepted, lambda sample: not _kept(sample)),
        "subset_misses": late["subset"] / max(1, late["start"]),
        "subset_misses.late": late["subset"],
        "subset_misses.late_of_all_members": late["start"],
        "subset_misses.with_refusals": missed["subset"] / max(1, missed["start"]),
    }


def _level(number: int) -> int:
    return _WHITE if number % _EVERY == _EVERY - 1 else _ORDINARY


def _is_held_up(number: int, samples: Sequence[Sample]) -> bool:
    """Tell whether a request met the late member at its late work: its own, or that of one which came just before."""
    due_s = samples[number].due_s
    return any(
        _level(other) == _WHITE and due_s - _LATE_S - 0.1 <= samples[other].due_s <= due_s
        for other in range(number + 1)
    )


def _points_lost(complete: float) -> float:
    """Accuracy lost by answers without their late member, as the shipped ensemble's measured table has it."""
    file = read_ensemble_file(EXAMPLES / "fashion" / "ensemble.yaml")
    assert file.accuracy_path
    table = read_accuracy(file.accuracy_path, file.ensemble())
    assert table
    models = file.ensemble().models
    whole = table.expected(models) or 0.0
    without = [table.expected([each for each in models if each != left_out]) or 0.0 for left_out in models]
    return 100 * (1 - complete) * (whole - min(without))


def _share(samples: Sequence[Sample], holds: Callable[[Sample], bool]) -> float:
    return sum(map(holds, samples)) / max(1, len(samples))


def _refused(sample: Sample) -> bool:
    return sample.ended.outcome is Outcome.REFUSED


def _kept(sample: Sample) -> bool:
    return sample.answered and sample.latency_ms <= _OVERLOAD_DEADLINE_MS + _WAY_MS


def _goodput(samples: Sequence[Sample], counts: Callable[[Sample], bool]) -> float:
    """Answers within the deadline a second, over the time that requests were sent in."""
    return sum(_kept(sample) and counts(sample) for sample in samples) / (samples[-1].due_s - samples[0].due_s)
