"""Receipts summed by user, model and hour."""

import pytest

from services.edge.receipts import Allocation, Tariff, Usage, write_receipt
from services.ensemble.receipt_sums import Dimension, Entry, sum_up

TARIFF = Tariff(per_cpu_second=1.0, per_gb_second=0.0, per_request=0.0, currency="X")


def entry(hour: int, user: str, *models: str, unclaimed: float = 0.0) -> Entry:
    parts = [(model, Usage(1, cpu_seconds=1.0), Allocation(2.0, 3.0)) for model in models]
    return Entry(3600.0 * hour, user, "e", write_receipt(parts, TARIFF), {"a": Allocation(unclaimed, 0.0)})


ENTRIES = [entry(0, "ann", "a", "b"), entry(1, "ann", "a", unclaimed=0.5), entry(1, "", "b", unclaimed=0.25)]


def test_groups_have_a_value_for_each_dimension() -> None:
    sums = sum_up(ENTRIES, [Dimension.USER, Dimension.HOUR])
    assert [(group.key, group.line.usage.requests) for group in sums.groups] == [
        (("", "1970-01-01T01:00Z"), 1),
        (("ann", "1970-01-01T00:00Z"), 2),
        (("ann", "1970-01-01T01:00Z"), 1),
    ]
    assert [group.key for group in sum_up(ENTRIES, [Dimension.MODEL]).groups] == [("a",), ("b",)]


def test_the_total_is_all_groups_and_what_nobody_claims() -> None:
    sums = sum_up(ENTRIES, [])
    (group,) = sums.groups
    assert (group.line.money, group.line.allocation_money) == (4.0, 8.0)
    assert (sums.unclaimed.allocation, sums.unclaimed.allocation_money) == (Allocation(0.75, 0.0), 0.75)
    assert sums.total.allocation_money == pytest.approx(8.75)
    assert sums.total.money == 4.0


def test_no_receipts_are_no_groups_and_no_money() -> None:
    sums = sum_up([], [Dimension.USER])
    assert (sums.groups, sums.total.money, sums.since_s) == ((), 0.0, None)
