"""What a request cost: the arithmetic of receipts."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

GIB = 2**30

RECEIPT_METADATA_KEY = "strata-receipt"
"""Of gRPC's trailing metadata, and in other case of HTTP's headers: the receipt's total, as `summary` writes it."""


@dataclass(frozen=True)
class Tariff:
    """Prices."""

    per_cpu_second: float
    per_gb_second: float
    per_request: float
    currency: str
    per_store_read: float = 0.0
    per_store_write: float = 0.0


CLOUD_RUN = Tariff(per_cpu_second=0.000024, per_gb_second=0.0000025, per_request=0.0000004, currency="USD")
"""Of a front door unless another is stated: Google Cloud Run's list prices of 2024, billed by request, first tier of
regions."""

AWS_LAMBDA = Tariff(
    per_cpu_second=0.0,
    per_gb_second=0.0000166667,
    per_request=0.0000002,
    currency="USD",
    per_store_read=0.0000004,
    per_store_write=0.000005,
)
"""Of a pipeline's jobs unless another is stated, so that what the store costs is in them: AWS' published prices for
us-east-1, first tier: Lambda on x86 by the GB-second and the request (https://aws.amazon.com/lambda/pricing/), S3
Standard by the request (https://aws.amazon.com/s3/pricing/)."""


@dataclass(frozen=True)
class Usage:
    """What calls to one model or stage took.

    `gb_seconds` is the wall time of the work times the process's memory, in GiB·s; `store_reads` and `store_writes`
    count requests to the object store. `cold_cpu_seconds` is what it took to start the process that answered, on the
    receipt of the first request that it answered.
    """

    requests: int = 0
    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    store_reads: int = 0
    store_writes: int = 0
    cold_cpu_seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.cpu_seconds + other.cpu_seconds,
            self.gb_seconds + other.gb_seconds,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            self.store_reads + other.store_reads,
            self.store_writes + other.store_writes,
            self.cold_cpu_seconds + other.cold_cpu_seconds,
        )


@dataclass(frozen=True)
class Allocation:
    """A request's share of all that the processes which answered it spent and held, with their idle time and starts.

    `gb_seconds` is wall time times the memory they held, in GiB·s. Zero where what answered does not say.
    """

    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0

    def __add__(self, other: "Allocation") -> "Allocation":
        return Allocation(self.cpu_seconds + other.cpu_seconds, self.gb_seconds + other.gb_seconds)


NOTHING = Allocation()


@dataclass(frozen=True)
class ReceiptLine:
    """One model's part; `money` is the usage's and `allocation_money` the allocation's, in the tariff's currency."""

    name: str
    usage: Usage
    money: float
    allocation: Allocation = NOTHING
    allocation_money: float = 0.0


@dataclass(frozen=True)
class Receipt:
    """What one request cost, model by model."""

    lines: tuple[ReceiptLine, ...] = ()
    tariff: Tariff = CLOUD_RUN

    @property
    def total(self) -> ReceiptLine:
        """The sum of the lines; its name is empty."""
        return ReceiptLine(
            "",
            add(line.usage for line in self.lines),
            sum(line.money for line in self.lines),
            sum((line.allocation for line in self.lines), NOTHING),
            sum(line.allocation_money for line in self.lines),
        )


def add(usages: Iterable[Usage]) -> Usage:
    """Sum usages."""
    return sum(usages, Usage())


def price(usage: Usage, tariff: Tariff) -> float:
    """Return Σ quantity × price, in the tariff's currency."""
    return (
        (usage.cpu_seconds + usage.cold_cpu_seconds) * tariff.per_cpu_second
        + usage.gb_seconds * tariff.per_gb_second
        + usage.requests * tariff.per_request
        + usage.store_reads * tariff.per_store_read
        + usage.store_writes * tariff.per_store_write
    )


def price_allocation(allocation: Allocation, tariff: Tariff) -> float:
    """Return CPU and memory × price, in the tariff's currency."""
    return allocation.cpu_seconds * tariff.per_cpu_second + allocation.gb_seconds * tariff.per_gb_second


def write_line(name: str, usage: Usage, allocation: Allocation, tariff: Tariff) -> ReceiptLine:
    """Price one model's part."""
    requests = replace(usage, cpu_seconds=0.0, cold_cpu_seconds=0.0, gb_seconds=0.0)  # have one price on either basis
    allocation_money = price_allocation(allocation, tariff) + price(requests, tariff)
    return ReceiptLine(name, usage, price(usage, tariff), allocation, allocation_money)


def write_receipt(parts: Iterable[tuple[str, Usage, Allocation]], tariff: Tariff) -> Receipt:
    """Price what each model used, and what was held for it."""
    return Receipt(tuple(write_line(name, usage, allocation, tariff) for name, usage, allocation in parts), tariff)


def summary(receipt: Receipt) -> str:
    """Write a receipt's total as one line of JSON, for a header."""
    total = receipt.total
    allocation = {**vars(total.allocation), "money": total.allocation_money}
    fields = {**vars(total.usage), "money": total.money, "currency": receipt.tariff.currency}
    return json.dumps({**_rounded(fields), "allocation": _rounded(allocation)}, separators=(",", ":"))


def _rounded(fields: Mapping[str, float | str]) -> dict[str, float | str]:
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in fields.items()}
