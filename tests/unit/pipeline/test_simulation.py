"""The simulation: by hand where that can be done, and what holds for any chain."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.edge.receipts import AWS_LAMBDA, Tariff
from services.pipeline.profile import ChainProfile
from services.pipeline.simulation import Batch, Place, Store, simulate
from tests.unit.pipeline.chains import chain, chains, stage

TWO = chain(stage("conv", 0.1, 0.01), stage("fc", 0.2, 0.02), driver_s=0.05)
BATCHES = st.builds(Batch, st.integers(1, 500), st.integers(1, 100), st.integers(1, 16))
FREE = Tariff(0.0, 0.0, 0.0, "USD")


def test_one_worker_takes_the_sum_of_everything() -> None:
    found = simulate(TWO, Batch(25, 10, 1), Place(2), AWS_LAMBDA)
    assert found.time_s == pytest.approx(3 * (0.1 + 0.2 + 0.05) + 25 * 0.03)
    assert found.gb_seconds == pytest.approx(0.5 * (3 * 0.3 + 25 * 0.03))
    assert found.cold_starts == 0


def test_money_is_memory_times_time_and_requests_of_stages_and_store() -> None:
    tariff = Tariff(0.0, 100.0, 10.0, "USD", per_store_read=1.0, per_store_write=0.1)
    found = simulate(TWO, Batch(20, 10, 1), Place(2), tariff)
    stages, records = 2, 2
    store = records * (stages * (2 * 1.0 + 0.1) + 1.0 + 2 * 0.1)
    assert found.money == pytest.approx(100.0 * found.gb_seconds + 10.0 * stages * records + store)


def test_two_cpus_halve_the_time_but_for_what_they_share() -> None:
    shared = chain(stage("conv", 0.0, 0.01), slowdown=1.2)
    one = simulate(shared, Batch(400, 100, 1), Place(2), FREE).time_s
    assert one == pytest.approx(4.0)
    assert simulate(shared, Batch(400, 100, 2), Place(2), FREE).time_s == pytest.approx(2.0 * 1.2)
    assert simulate(shared, Batch(400, 100, 4), Place(2), FREE).time_s == pytest.approx(2.0 * 1.2)


def test_where_instances_scale_all_stages_start_at_once_and_a_worker_more_takes_the_first_that_is_free() -> None:
    cold = chain(stage("conv", 1.0, 0.0, start_s=5.0), stage("fc", 1.0, 0.0, start_s=5.0))
    one = simulate(cold, Batch(1, 1, 1), Place(8, scales=True), FREE)
    assert (one.time_s, one.cold_starts) == (7.0, 2)
    two = simulate(cold, Batch(2, 1, 2), Place(8, scales=True), FREE)
    assert (two.time_s, two.cold_starts) == (8.0, 4)  # at the second stage the first worker's is free before its own
    assert simulate(cold, Batch(2, 1, 2), Place(8), FREE).time_s == 2.0


def test_the_first_record_of_a_process_that_has_not_computed_yet_takes_longer() -> None:
    lazy = chain(stage("conv", 1.0, 0.0, first_s=3.0), stage("fc", 1.0, 0.0, start_s=0.5, first_s=2.0))
    assert simulate(lazy, Batch(4, 1, 1), Place(2), FREE).time_s == 8.0
    assert simulate(lazy, Batch(4, 1, 1), Place(2, fresh=True), FREE).time_s == 13.0
    assert simulate(lazy, Batch(1, 1, 1), Place(2, scales=True), FREE).time_s == 5.0 + 2.0


def test_a_store_at_a_distance_adds_its_latency_and_what_is_not_hidden_behind_computing() -> None:
    fast, slow = Store(0.01, 1e9, 8), Store(0.01, 100.0, 8)
    work = chain(stage("conv", 1.0, 0.0))
    assert simulate(work, Batch(1, 1, 1), Place(8, store=fast), FREE).time_s == pytest.approx(1.03)
    assert simulate(work, Batch(1, 1, 1), Place(8, store=slow), FREE).time_s == pytest.approx(0.03 + 3000 / 100)


def test_a_store_that_serves_one_at_a_time_makes_workers_wait() -> None:
    work = chain(stage("conv", 0.0, 0.0))
    shared, own = Store(0.0, 1000.0, 1), Store(0.0, 1000.0, 4)
    assert simulate(work, Batch(4, 1, 4), Place(4, store=shared), FREE).time_s == pytest.approx(12.0)
    assert simulate(work, Batch(4, 1, 4), Place(4, store=own), FREE).time_s == pytest.approx(3.0)


@settings(deadline=None, max_examples=50)
@given(profile=chains(), batch=BATCHES)
def test_no_job_is_faster_than_its_work_over_its_cpus_nor_slower_than_one_after_the_other(
    profile: ChainProfile, batch: Batch
) -> None:
    found = simulate(profile, batch, Place(2), AWS_LAMBDA)
    work_s = sum(each.compute_s(pictures) for pictures in batch.records() for each in profile.stages)
    after_s = len(batch.records()) * profile.driver_s
    assert sum(batch.records()) == batch.pictures
    assert max(batch.records()) <= batch.per_record
    assert work_s / min(2, batch.workers) <= found.time_s * (1 + 1e-9)
    assert found.time_s <= (profile.slowdown * work_s + after_s) * (1 + 1e-9)
    assert math.isfinite(found.money)


@settings(deadline=None, max_examples=50)
@given(profile=chains(), batch=BATCHES)
def test_the_same_job_has_the_same_expectation(profile: ChainProfile, batch: Batch) -> None:
    place = Place(16, scales=True, store=Store(0.01, 1e6, 4))
    assert simulate(profile, batch, place, AWS_LAMBDA) == simulate(profile, batch, place, AWS_LAMBDA)
