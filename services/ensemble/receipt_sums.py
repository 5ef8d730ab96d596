"""Receipts, one for each answer, and their sums by user, model and hour."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from services.edge.receipts import CLOUD_RUN, Allocation, Receipt, ReceiptLine, Usage, price_allocation


class Dimension(StrEnum):
    """What receipts are summed by."""

    USER = "user"
    MODEL = "model"
    HOUR = "hour"


@dataclass(frozen=True)
class Entry:
    """One answer's receipt as it is kept.

    Attributes:
        at_s: when it was answered, in s since 1970.
        user: as a signed token names them; empty without one.
        unclaimed: what models' processes said, with this answer, that they spent and held for no request.
    """

    at_s: float
    user: str
    ensemble: str
    receipt: Receipt
    unclaimed: Mapping[str, Allocation] = field(default_factory=dict)


@dataclass(frozen=True)
class Sum:
    """The receipts' lines of one group, summed; `key` has a value for each dimension asked for, in that order."""

    key: tuple[str, ...]
    answers: int
    line: ReceiptLine


@dataclass(frozen=True)
class Sums:
    """All of it: groups in the order of their keys, what is on no receipt, and both together.

    Attributes:
        since_s: the oldest receipt's time; None where there is none.
    """

    groups: tuple[Sum, ...]
    unclaimed: ReceiptLine
    total: ReceiptLine
    currency: str
    since_s: float | None


def sum_up(entries: Iterable[Entry], by: Sequence[Dimension]) -> Sums:
    """Sum receipts by any of the dimensions; none gives one group.

    Money is summed as the receipts state it, each by its own tariff.
    """
    groups: dict[tuple[str, ...], tuple[int, ReceiptLine]] = {}
    unclaimed, currencies, since_s = _NOTHING, list[str](), None
    for entry in entries:
        since_s = entry.at_s if since_s is None else min(since_s, entry.at_s)
        currencies.append(entry.receipt.tariff.currency)
        for line in entry.receipt.lines:
            key = tuple(_value(dimension, entry, line) for dimension in by)
            answers, sum_ = groups.get(key, (0, _NOTHING))
            groups[key] = (answers + 1, _plus(sum_, line))
        for allocation in entry.unclaimed.values():
            money = price_allocation(allocation, entry.receipt.tariff)
            unclaimed = _plus(unclaimed, ReceiptLine("", Usage(), 0.0, allocation, money))
    total = unclaimed
    for _, line in groups.values():
        total = _plus(total, line)
    sums = tuple(Sum(key, answers, line) for key, (answers, line) in sorted(groups.items()))
    return Sums(sums, unclaimed, total, "/".join(dict.fromkeys(currencies)) or CLOUD_RUN.currency, since_s)


_NOTHING = ReceiptLine("", Usage(), 0.0)


def _plus(one: ReceiptLine, other: ReceiptLine) -> ReceiptLine:
    return ReceiptLine(
        "",
        one.usage + other.usage,
        one.money + other.money,
        one.allocation + other.allocation,
        one.allocation_money + other.allocation_money,
    )


def _value(dimension: Dimension, entry: Entry, line: ReceiptLine) -> str:
    if dimension is Dimension.USER:
        return entry.user
    if dimension is Dimension.MODEL:
        return line.name
    return datetime.fromtimestamp(entry.at_s, UTC).strftime("%Y-%m-%dT%H:00Z")
