"""A run beside what was expected of it: both with the plan's memory, both of the size that was run."""

from dataclasses import asdict
from typing import Any

import pytest

from services.edge.receipts import AWS_LAMBDA, Usage
from services.pipeline.comparison import compare
from services.pipeline.simulation import Batch, Place, simulate
from tests.unit.pipeline.chains import chain, stage

PROFILE = chain(stage("conv", memory_mib=1024), stage("fc", memory_mib=512))


def row(name: str, seconds: float) -> dict[str, Any]:
    usage = asdict(Usage(requests=4, cpu_seconds=1.0, gb_seconds=99.0, store_reads=8, store_writes=4))
    return {"stage": name, **usage, "seconds": seconds, "cold_starts": 1}


def test_what_it_was_has_the_plans_memory_and_what_was_expected_the_runs_size() -> None:
    driver = asdict(Usage(store_reads=5, store_writes=8))
    report = {"records": 4, "pictures": 30, "time_s": 3.5, "stages": [row("conv", 2.0), row("fc", 4.0)]}
    found = compare(PROFILE, {**report, "driver": driver}, 2, 2, AWS_LAMBDA)
    assert found["expected"] == asdict(simulate(PROFILE, Batch(30, 8, 2), Place(2, fresh=True), AWS_LAMBDA))
    was = found["was"]
    assert (was["time_s"], was["gb_seconds"], was["cold_starts"]) == (3.5, 2.0 + 2.0, 2)
    store = 21 * AWS_LAMBDA.per_store_read + 16 * AWS_LAMBDA.per_store_write
    assert was["money"] == pytest.approx(4.0 * AWS_LAMBDA.per_gb_second + 8 * AWS_LAMBDA.per_request + store)
