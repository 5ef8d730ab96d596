"""Prices that a user states."""

from dataclasses import replace

import pytest

from services.cli.tariffs import read_tariff
from services.edge.errors import InvalidInput
from services.edge.receipts import AWS_LAMBDA, CLOUD_RUN, Tariff


@pytest.mark.parametrize("base", [CLOUD_RUN, AWS_LAMBDA], ids=["cloud-run", "lambda"])
def test_what_is_left_out_is_as_published(base: Tariff) -> None:
    assert read_tariff("", base) == base
    stated = read_tariff('{"per_gb_second": 0.00002, "per_request": 0, "currency": "EUR"}', base)
    assert stated == replace(base, per_gb_second=0.00002, per_request=0, currency="EUR")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "not an object of per_cpu_second, "),
        ('{"per_gb": 1}', "there is no 'per_gb'"),
        ('{"per_gb_second": -1}', "per_gb_second is -1, not a price"),
        ('{"per_gb_second": NaN}', "per_gb_second is nan, not a price"),
        ('{"per_request": true}', "per_request is True, not a price"),
        ('{"per_request": "1"}', "per_request is '1', not a price"),
        ('{"currency": 3}', "currency is 3, not a name"),
    ],
)
def test_what_is_no_price_is_named(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read_tariff(text, AWS_LAMBDA)
