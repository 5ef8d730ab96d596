"""A plan keeps its deadline and its budget by its own model, and no other plan would have been better."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.edge.errors import NoPlan
from services.edge.receipts import AWS_LAMBDA
from services.pipeline.planning import Plan, cheapest_within, fastest_for, front, plans, worker_counts
from services.pipeline.profile import ChainProfile
from services.pipeline.simulation import Batch, Expectation, Place
from tests.unit.pipeline.chains import chain, chains, stage

AMOUNTS = st.floats(0.0, 100.0)
CHOICES = st.lists(
    st.builds(
        Plan,
        st.just(chain(stage())),
        st.builds(Batch, st.just(10), st.just(1), st.integers(1, 8)),
        st.builds(Expectation, AMOUNTS, AMOUNTS, st.just(0), AMOUNTS),
    ),
    min_size=1,
)


@given(choices=CHOICES, deadline_s=AMOUNTS)
def test_the_cheapest_within_a_deadline_keeps_it_and_nothing_cheaper_does(
    choices: list[Plan], deadline_s: float
) -> None:
    within = [each for each in choices if each.expected.time_s <= deadline_s]
    if not within:
        with pytest.raises(NoPlan, match="no plan is done within"):
            cheapest_within(choices, deadline_s)
        return
    chosen = cheapest_within(choices, deadline_s)
    assert chosen.expected.time_s <= deadline_s
    assert chosen.expected.money == min(each.expected.money for each in within)
    equals = [each for each in within if each.expected.money == chosen.expected.money]
    assert chosen.expected.time_s == min(each.expected.time_s for each in equals)


@given(choices=CHOICES, budget=AMOUNTS)
def test_the_fastest_for_a_budget_keeps_it_and_nothing_faster_does(choices: list[Plan], budget: float) -> None:
    within = [each for each in choices if each.expected.money <= budget]
    if not within:
        with pytest.raises(NoPlan, match="no plan costs"):
            fastest_for(choices, budget)
        return
    chosen = fastest_for(choices, budget)
    assert chosen.expected.money <= budget
    assert chosen.expected.time_s == min(each.expected.time_s for each in within)


@given(choices=CHOICES)
def test_along_the_front_time_rises_and_money_falls_and_every_plan_is_matched_by_one_of_it(
    choices: list[Plan],
) -> None:
    best = front(choices)
    for faster, slower in pairwise(best):
        assert faster.expected.time_s < slower.expected.time_s
        assert faster.expected.money > slower.expected.money
    for each in choices:
        assert any(
            one.expected.time_s <= each.expected.time_s and one.expected.money <= each.expected.money for one in best
        )


@settings(deadline=None, max_examples=20)
@given(profiles=st.lists(chains(), min_size=1, max_size=2), pictures=st.integers(1, 1500))
def test_plans_differ_in_what_they_do_and_have_work_for_every_worker(
    profiles: list[ChainProfile], pictures: int
) -> None:
    found = list(plans(profiles, pictures, Place(2), AWS_LAMBDA, worker_counts(4)))
    for number, profile in enumerate(profiles):
        batches = [each.batch for each in found if each.profile is profile]
        assert batches, number
        assert len(set(batches)) == len(batches)
        assert all(batch.workers <= len(batch.records()) and batch.pictures == pictures for batch in batches)
    assert min(each.expected.time_s for each in found) == front(found)[0].expected.time_s


@pytest.mark.parametrize(
    ("most", "counts"), [(1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (4, (1, 2, 4)), (6, (1, 2, 4, 6))]
)
def test_numbers_of_workers_double_up_to_the_most(most: int, counts: tuple[int, ...]) -> None:
    assert worker_counts(most) == counts
