"""The arithmetic of receipts."""

import json

import pytest

from services.edge.receipts import Allocation, Tariff, Usage, add, price, summary, write_receipt

TARIFF = Tariff(per_cpu_second=2.0, per_gb_second=3.0, per_request=5.0, currency="X")


def test_each_quantity_has_its_price() -> None:
    assert price(Usage(requests=1), TARIFF) == 5
    assert price(Usage(cpu_seconds=0.5), TARIFF) == 1
    assert price(Usage(gb_seconds=0.5), TARIFF) == 1.5
    assert price(Usage(bytes_in=10**9, bytes_out=10**9), TARIFF) == 0


def test_the_total_is_the_sum_of_the_lines() -> None:
    parts = [
        ("a", Usage(1, 1.0, 2.0, 3, 4), Allocation(1.5, 2.0)),
        ("b", Usage(2, 0.5, 0.5, 7, 8, cold_cpu_seconds=1), Allocation()),
    ]
    receipt = write_receipt(parts, TARIFF)
    assert [line.money for line in receipt.lines] == [13.0, 14.5]
    assert receipt.total.usage == Usage(3, 1.5, 2.5, 10, 12, cold_cpu_seconds=1)
    assert receipt.total.money == pytest.approx(27.5)
    assert (receipt.total.allocation, receipt.total.allocation_money) == (Allocation(1.5, 2.0), 24.0)
    assert receipt.total.name == ""


def test_nothing_costs_nothing() -> None:
    assert add([]) == Usage()
    assert write_receipt([], TARIFF).total.money == 0


def test_a_header_says_the_total_of_both_bases() -> None:
    receipt = write_receipt([("a", Usage(1, 0.1), Allocation(0.25, 0.5))] * 2, TARIFF)
    said = json.loads(summary(receipt))
    assert (said["cpu_seconds"], said["requests"], said["currency"]) == (0.2, 2, "X")
    assert said["allocation"] == {"cpu_seconds": 0.5, "gb_seconds": 1.0, "money": 14.0}
    assert summary(receipt).isascii()
