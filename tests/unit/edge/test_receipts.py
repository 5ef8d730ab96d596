"""The arithmetic of receipts."""

import pytest

from services.edge.receipts import Tariff, Usage, add, price, write_receipt

TARIFF = Tariff(per_cpu_second=2.0, per_gb_second=3.0, per_request=5.0, currency="X")


def test_each_quantity_has_its_price() -> None:
    assert price(Usage(requests=1), TARIFF) == 5
    assert price(Usage(cpu_seconds=0.5), TARIFF) == 1
    assert price(Usage(gb_seconds=0.5), TARIFF) == 1.5
    assert price(Usage(bytes_in=10**9, bytes_out=10**9), TARIFF) == 0


def test_the_total_is_the_sum_of_the_lines() -> None:
    receipt = write_receipt([("a", Usage(1, 1.0, 2.0, 3, 4)), ("b", Usage(2, 0.5, 0.5, 7, 8))], TARIFF)
    assert [line.money for line in receipt.lines] == [13.0, 12.5]
    assert receipt.total.usage == Usage(3, 1.5, 2.5, 10, 12)
    assert receipt.total.money == pytest.approx(25.5)
    assert receipt.total.name == ""


def test_nothing_costs_nothing() -> None:
    assert add([]) == Usage()
    assert write_receipt([], TARIFF).total.money == 0
