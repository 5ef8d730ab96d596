"""Which cuts, record size and number of workers: the cheapest within a deadline, or the fastest for the money."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from services.artifacts.record import MAX_PICTURES
from services.edge.errors import NoPlan
from services.edge.receipts import Tariff
from services.pipeline.profile import ChainProfile
from services.pipeline.simulation import Batch, Expectation, Place, simulate

RECORD_SIZES = (50, 100, 200, 500, MAX_PICTURES)


@dataclass(frozen=True)
class Plan:
    """One way to do a job, and what it is expected to come to."""

    profile: ChainProfile
    batch: Batch
    expected: Expectation


def plans(
    profiles: Sequence[ChainProfile], pictures: int, place: Place, tariff: Tariff, workers: Sequence[int]
) -> Iterator[Plan]:
    """Make a plan of each chain, record size and number of workers that differ in what they do."""
    for profile in profiles:
        for per_record in sorted({min(size, pictures) for size in RECORD_SIZES}):
            records = -(-pictures // per_record)
            for count in sorted({min(each, records) for each in workers}):
                batch = Batch(pictures, per_record, count)
                yield Plan(profile, batch, simulate(profile, batch, place, tariff))


def worker_counts(most: int) -> tuple[int, ...]:
    """1, 2, 4, 8 ... up to `most`, which is there too."""
    return (*(2**power for power in range(most.bit_length()) if 2**power < most), most)


def front(choices: Iterable[Plan]) -> list[Plan]:
    """The Pareto front, fastest first: each next plan is slower and costs less, and no plan is better in both."""
    best: list[Plan] = []
    for plan in sorted(choices, key=_fastest):
        if not best or plan.expected.money < best[-1].expected.money:
            best.append(plan)
    return best


def cheapest_within(choices: Sequence[Plan], deadline_s: float) -> Plan:
    """Choose the cheapest plan that is done by the deadline; of equals the fastest. Raises NoPlan: none is."""
    within = [plan for plan in choices if plan.expected.time_s <= deadline_s]
    if not within:
        fastest = min(choices, key=_fastest).expected
        raise NoPlan(
            f"no plan is done within {deadline_s:g} s: the fastest takes {fastest.time_s:.1f} s and costs "
            f"{fastest.money:.6f}; give it more time, fewer pictures, or more CPUs (--cpus)"
        )
    return min(within, key=_cheapest)


def fastest_for(choices: Sequence[Plan], budget: float) -> Plan:
    """Choose the fastest plan that costs no more than the budget; of equals the cheapest. Raises NoPlan: none does."""
    within = [plan for plan in choices if plan.expected.money <= budget]
    if not within:
        cheapest = min(choices, key=_cheapest).expected
        raise NoPlan(
            f"no plan costs {budget:g} or less: the cheapest costs {cheapest.money:.6f} and takes "
            f"{cheapest.time_s:.1f} s; give it more money or fewer pictures"
        )
    return min(within, key=_fastest)


def _fastest(plan: Plan) -> tuple[float, float]:
    return plan.expected.time_s, plan.expected.money


def _cheapest(plan: Plan) -> tuple[float, float]:
    return plan.expected.money, plan.expected.time_s
