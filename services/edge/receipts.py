"""What a request cost: the arithmetic of receipts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

GIB = 2**30


@dataclass(frozen=True)
class Tariff:
    """Prices. The defaults are Google Cloud Run's list prices of 2024, billed by request, first tier of regions."""

    per_cpu_second: float = 0.000024
    per_gb_second: float = 0.0000025
    per_request: float = 0.0000004
    currency: str = "USD"
    per_store_read: float = 0.0
    per_store_write: float = 0.0


@dataclass(frozen=True)
class Usage:
    """What calls to one model or stage took.

    `gb_seconds` is the wall time of the work times the process's memory, in GiB·s; `store_reads` and `store_writes`
    count requests to the object store.
    """

    requests: int = 0
    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    store_reads: int = 0
    store_writes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.cpu_seconds + other.cpu_seconds,
            self.gb_seconds + other.gb_seconds,
            self.bytes_in + other.bytes_in,
            self.bytes_out + other.bytes_out,
            self.store_reads + other.store_reads,
            self.store_writes + other.store_writes,
        )


@dataclass(frozen=True)
class ReceiptLine:
    """One model's part; `money` in the tariff's currency."""

    name: str
    usage: Usage
    money: float


@dataclass(frozen=True)
class Receipt:
    """What one request cost, model by model."""

    lines: tuple[ReceiptLine, ...] = ()
    tariff: Tariff = field(default_factory=Tariff)

    @property
    def total(self) -> ReceiptLine:
        """The sum of the lines; its name is empty."""
        return ReceiptLine("", add(line.usage for line in self.lines), sum(line.money for line in self.lines))


def add(usages: Iterable[Usage]) -> Usage:
    """Sum usages."""
    return sum(usages, Usage())


def price(usage: Usage, tariff: Tariff) -> float:
    """Return Σ quantity × price, in the tariff's currency."""
    return (
        usage.cpu_seconds * tariff.per_cpu_second
        + usage.gb_seconds * tariff.per_gb_second
        + usage.requests * tariff.per_request
        + usage.store_reads * tariff.per_store_read
        + usage.store_writes * tariff.per_store_write
    )


def write_receipt(usages: Iterable[tuple[str, Usage]], tariff: Tariff) -> Receipt:
    """Price what each model used."""
    return Receipt(tuple(ReceiptLine(name, usage, price(usage, tariff)) for name, usage in usages), tariff)
