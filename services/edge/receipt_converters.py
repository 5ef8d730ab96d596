"""Receipts <-> the messages of strata.receipt.v1, and the JSON that says the same over HTTP."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.strata.receipt.v1 import receipt_pb2 as pb
from services.edge.receipts import Receipt, ReceiptLine


def receipt_to_message(receipt: Receipt) -> pb.Receipt:
    """Write a receipt."""
    tariff = receipt.tariff
    return pb.Receipt(
        lines=map(_line, receipt.lines),
        total=_line(receipt.total),
        tariff=pb.Tariff(
            per_cpu_second=tariff.per_cpu_second,
            per_gb_second=tariff.per_gb_second,
            per_request=tariff.per_request,
            currency=tariff.currency,
        ),
    )


def _line(line: ReceiptLine) -> pb.ReceiptLine:
    usage = line.usage
    return pb.ReceiptLine(
        name=line.name,
        cpu_seconds=usage.cpu_seconds,
        gb_seconds=usage.gb_seconds,
        bytes_in=usage.bytes_in,
        bytes_out=usage.bytes_out,
        money=line.money,
        requests=usage.requests,
    )


class LineBody(BaseModel):
    """What one model used, or all of them together."""

    name: str = Field(examples=["fashion-mobilenet-v2"])
    requests: int = Field(examples=[1])
    cpu_seconds: float = Field(examples=[0.011])
    gb_seconds: float = Field(description="Wall time of the work × memory of the process, in GiB·s", examples=[0.002])
    bytes_in: int = Field(examples=[12400])
    bytes_out: int = Field(examples=[210])
    money: float = Field(description="In the tariff's currency", examples=[7.2e-07])

    @classmethod
    def of(cls, line: ReceiptLine) -> Self:
        """Spell a line."""
        return cls(name=line.name, money=line.money, **vars(line.usage))


class TariffBody(BaseModel):
    """The prices."""

    model_config = ConfigDict(from_attributes=True)

    per_cpu_second: float
    per_gb_second: float
    per_request: float
    currency: str


class ReceiptBody(BaseModel):
    """What the request cost."""

    lines: list[LineBody]
    total: LineBody
    tariff: TariffBody

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Spell a receipt."""
        return cls(
            lines=[LineBody.of(line) for line in receipt.lines],
            total=LineBody.of(receipt.total),
            tariff=TariffBody.model_validate(receipt.tariff),
        )
