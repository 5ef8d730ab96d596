"""Receipts as the JSON that says over HTTP what `receipt_messages` says over gRPC."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from services.edge.receipts import Receipt, ReceiptLine


class AllocationBody(BaseModel):
    """Its share of all that the processes which answered spent and held, with their idle time and starts."""

    cpu_seconds: float = Field(examples=[0.013])
    gb_seconds: float = Field(description="Wall time × memory they held, in GiB·s", examples=[0.31])
    money: float = Field(description="In the tariff's currency", examples=[1.1e-06])


class LineBody(BaseModel):
    """What one model used, or all of them together."""

    name: str = Field(examples=["fashion-mobilenet-v2"])
    requests: int = Field(examples=[1])
    cpu_seconds: float = Field(examples=[0.011])
    gb_seconds: float = Field(description="Wall time of the work × memory of the process, in GiB·s", examples=[0.002])
    bytes_in: int = Field(examples=[12400])
    bytes_out: int = Field(examples=[210])
    store_reads: int = Field(0, description="Requests to the object store that read", examples=[0])
    store_writes: int = Field(0, description="Requests to the object store that write", examples=[0])
    cold_cpu_seconds: float = Field(0.0, description="To start the process that answered", examples=[0.0])
    money: float = Field(description="In the tariff's currency", examples=[7.2e-07])
    allocation: AllocationBody

    @classmethod
    def of(cls, line: ReceiptLine) -> Self:
        """Spell a line."""
        allocation = AllocationBody(**vars(line.allocation), money=line.allocation_money)
        return cls(name=line.name, money=line.money, allocation=allocation, **vars(line.usage))


class TariffBody(BaseModel):
    """The prices."""

    model_config = ConfigDict(from_attributes=True)

    per_cpu_second: float
    per_gb_second: float
    per_request: float
    currency: str
    per_store_read: float = 0.0
    per_store_write: float = 0.0


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
