"""Prices as a user states them: a JSON object; what it leaves out is as published."""

import json
import math
from dataclasses import fields, replace

from services.edge.errors import InvalidInput
from services.edge.receipts import Tariff

_CURRENCY = "currency"


def read_tariff(text: str, base: Tariff) -> Tariff:
    """Read prices such as '{"per_gb_second": 0.00002, "currency": "EUR"}'; "" is `base`.

    Args:
        base: has what the object leaves out.
    Raises:
        InvalidInput: not such an object; names what is wrong.
    """
    if not text:
        return base
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"--tariff: not JSON: {error}") from error
    known = [each.name for each in fields(Tariff)]
    if not isinstance(stated, dict):
        raise InvalidInput(f"--tariff: not an object of {', '.join(known)}")
    for name, value in stated.items():
        if name not in known:
            raise InvalidInput(f"--tariff: there is no '{name}'; it has {', '.join(known)}")
        if name == _CURRENCY and not (isinstance(value, str) and value):
            raise InvalidInput(f"--tariff: {name} is {value!r}, not a name such as EUR")
        if name != _CURRENCY and not _is_price(value):
            raise InvalidInput(f"--tariff: {name} is {value!r}, not a price of 0 or more")
    return replace(base, **stated)


def _is_price(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
