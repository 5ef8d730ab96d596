"""A simulated fleet: queues whose means are known, from zero, overload as the real front door meets it, kept models."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from services.edge.errors import InvalidInput
from services.edge.receipts import CLOUD_RUN, Tariff
from services.ensemble.domain import WhenLate
from services.ensemble.fleet.load import Demand, FleetLoad, draw_load, from_nothing
from services.ensemble.fleet.outcome import FleetOutcome
from services.ensemble.fleet.pods import Scale
from services.ensemble.fleet.simulation import Fleet, simulate_fleet

FREE = Tariff(0.0, 0.0, 0.0, "USD")
RUNS = Scale(start_s=3.0, least=1, most=1)
SLEEPS = Scale(start_s=3.0, most=4)
SMALL = Demand(models=30, members=3, rate=100.0, seconds=20.0, popularity=2.2, service_s=0.02)


def fleet(scale: Scale, deadline_s: float, when_late: WhenLate = WhenLate.START) -> Fleet:
    return Fleet(100, 1000.0, 1024.0, scale, deadline_s, when_late)


def poisson(rate: float, count: int, services_s: Sequence[float]) -> FleetLoad:
    at_s = np.cumsum(np.random.default_rng(0).exponential(1 / rate, count))
    return from_nothing(at_s, np.tile(services_s, (count, 1)), float(at_s[-1]) + 1e-9)


def ask_at(times_s: Sequence[float], service_s: float, members: int = 1) -> FleetLoad:
    return from_nothing(np.array(times_s), np.full((len(times_s), members), service_s), times_s[-1] + 1.0)


def test_calls_wait_as_long_as_queueing_theory_has_it() -> None:
    rate, service_s = 0.6, 1.0
    found = simulate_fleet(fleet(RUNS, 1e4), poisson(rate, 5000, [service_s]), FREE)
    wait_s = rate * service_s**2 / (2 * (1 - rate * service_s))  # Pollaczek and Khinchine, M/D/1
    assert found.mean_ms == pytest.approx(1e3 * (service_s + wait_s), rel=0.04)
    assert found.held.cpu_s / (5000 / rate) == pytest.approx(rate, rel=0.03)
    assert found.complete == 1.0


def test_who_comes_first_waits_for_the_start_and_is_cut_at_the_deadline_where_it_is_sooner() -> None:
    load = ask_at([0.0, 10.0, 20.0], 0.1)
    patient = simulate_fleet(fleet(SLEEPS, 5.0), load, FREE)
    assert (patient.complete, patient.cold, patient.held.starts) == (1.0, 1 / 3, 1)
    assert (patient.p50_ms, patient.p99_ms) == pytest.approx((100.0, 3100.0))
    hasty = simulate_fleet(fleet(SLEEPS, 1.0), load, FREE)
    assert (hasty.complete, hasty.late, hasty.cold, hasty.held.starts) == (2 / 3, 1 / 3, 1 / 3, 1)


def test_what_is_held_is_memory_over_time_and_money_is_its_price() -> None:
    tariff = Tariff(per_cpu_second=1.0, per_gb_second=100.0, per_request=10_000.0, currency="USD")
    found = simulate_fleet(fleet(SLEEPS, 5.0), ask_at([0.0, 10.0], 0.1, members=2), tariff)
    assert found.held.gb_s == pytest.approx(2 * 11.0)
    assert found.held.cpu_s == pytest.approx(2 * (3.0 + 2 * 0.1))
    assert found.money == pytest.approx(6.4 + 100.0 * 22.0 + 2 * 10_000.0)


@pytest.fixture(scope="module")
def overload() -> dict[WhenLate, FleetOutcome]:
    """The two members of `examples/measure/overload-*.yaml`, offered twice what the slower one can answer."""
    load = poisson(2 / 0.03, 1500, [0.02, 0.03])
    least = {WhenLate.REFUSE: 1, WhenLate.SUBSET: 1, WhenLate.START: 2}
    return {
        way: simulate_fleet(replace(fleet(RUNS, 0.2, way), min_members=members), load, FREE)
        for way, members in least.items()
    }


def test_overload_is_met_as_the_real_front_door_has_to_meet_it(overload: dict[WhenLate, FleetOutcome]) -> None:
    refuse, subset, start = (overload[way] for way in (WhenLate.REFUSE, WhenLate.SUBSET, WhenLate.START))
    # The bars of the part `overload` of `strata bench slo`; capacity is half of what is offered.
    assert 2 * refuse.complete >= 0.9
    accepted = 2 - refuse.refused - subset.refused
    assert (refuse.late + subset.late) / accepted <= 0.01
    assert subset.late / start.late <= 0.2
    assert start.late > 0.5  # who starts all answers nobody


def test_every_request_ends_in_one_way(overload: dict[WhenLate, FleetOutcome]) -> None:
    for found in overload.values():
        assert found.in_deadline + found.refused + found.late == pytest.approx(1.0)
        assert found.complete <= found.in_deadline
        assert found.p99_ms <= 200.0 + 1e-6


def test_one_member_late_on_a_tenth_is_left_out_and_the_answer_is_in_time() -> None:
    """The members of `examples/measure/one-late-longer.yaml`, where what would be late is not started."""
    load = poisson(0.5 / 0.07, 1500, [0.02, 0.03, 0.02])  # half of what the late member can answer
    load.service_s[9::10, 2] += 0.5
    # 1.5 times the median, 30 ms and 3 for the way.
    found = simulate_fleet(fleet(RUNS, 0.0495, WhenLate.SUBSET), load, FREE)
    assert found.in_deadline >= 0.99
    assert 0.3 < found.complete < 0.9


def test_the_same_arguments_give_the_same_and_another_seed_something_else() -> None:
    first, again, other = (
        simulate_fleet(fleet(SLEEPS, 0.2, WhenLate.SUBSET), draw_load(SMALL, seed), CLOUD_RUN) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_models_that_are_kept_are_never_started_and_hold_more() -> None:
    # So few requests that most ensembles sleep.
    load = draw_load(replace(SMALL, rate=0.5, seconds=300.0), 0)
    asked = simulate_fleet(fleet(SLEEPS, 0.5, WhenLate.SUBSET), load, FREE)
    kept = simulate_fleet(fleet(replace(SLEEPS, least=1), 0.5, WhenLate.SUBSET), load, FREE)
    assert asked.held.gb_s < kept.held.gb_s
    assert asked.held.starts > 0
    # That they sleep is known, but of some that were never seen to rest for so long, or hardly longer than a window.
    assert asked.refused > 3 * asked.late > 0
    assert (kept.held.starts, kept.cold, kept.complete) == (0, 0.0, 1.0)
    assert kept.held.mean == kept.held.most == 30


def test_a_spare_pod_answers_for_members_that_start() -> None:
    load = ask_at([0.0, 10.0], 0.1)
    without = fleet(SLEEPS, 1.0)
    spared = simulate_fleet(replace(without, spares=1, spare_load_s=0.5), load, FREE)
    assert spared.complete == 1.0
    assert spared.p99_ms == pytest.approx(50.0 + 500.0 + 100.0)
    assert simulate_fleet(without, load, FREE).complete == 0.5


def test_a_cluster_without_room_says_so() -> None:
    crowded = Fleet(1, 1000.0, 1024.0, SLEEPS, 1.0, WhenLate.START)
    found = simulate_fleet(crowded, ask_at([0.0, 10.0], 0.1, members=2), FREE)
    assert found.held.most_waiting == 1
    assert (found.in_deadline, found.complete) == (0.5, 0.0)


def test_load_is_as_much_as_was_asked_for_and_the_first_ensembles_have_the_most_of_it() -> None:
    load = draw_load(replace(SMALL, seconds=200.0), 0)
    assert len(load.at_s) == pytest.approx(20_000, rel=0.02)
    assert load.service_s.mean() == pytest.approx(0.02, rel=0.02)
    asked = np.bincount(load.ensemble)
    assert asked[0] / asked[1] == pytest.approx(2**2.2, rel=0.1)


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        (replace(SMALL, models=2), "2 models are fewer than the 3 members"),
        (replace(SMALL, rate=1e6), "more than 5,000,000: simulate less time"),
        (replace(SMALL, rate=0.001, seconds=1.0), "are none: simulate more time"),
    ],
)
def test_what_cannot_be_simulated_is_refused(demand: Demand, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        draw_load(demand, 0)
