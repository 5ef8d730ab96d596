"""Receipts <-> the messages of strata.receipt.v1. Without pydantic, whose import a cold start would pay for."""

from services.contracts.strata.receipt.v1 import receipt_pb2 as pb
from services.edge.receipts import Allocation, Receipt, ReceiptLine, Usage


def receipt_to_message(receipt: Receipt) -> pb.Receipt:
    """Write a receipt."""
    tariff = receipt.tariff
    return pb.Receipt(
        lines=map(line_to_message, receipt.lines),
        total=line_to_message(receipt.total),
        tariff=pb.Tariff(
            per_cpu_second=tariff.per_cpu_second,
            per_gb_second=tariff.per_gb_second,
            per_request=tariff.per_request,
            currency=tariff.currency,
            per_store_read=tariff.per_store_read,
            per_store_write=tariff.per_store_write,
        ),
    )


def line_to_message(line: ReceiptLine) -> pb.ReceiptLine:
    """Write one model's or stage's part."""
    usage = line.usage
    return pb.ReceiptLine(
        name=line.name,
        cpu_seconds=usage.cpu_seconds,
        gb_seconds=usage.gb_seconds,
        bytes_in=usage.bytes_in,
        bytes_out=usage.bytes_out,
        money=line.money,
        requests=usage.requests,
        store_reads=usage.store_reads,
        store_writes=usage.store_writes,
        cold_cpu_seconds=usage.cold_cpu_seconds,
        allocation=pb.Allocation(
            cpu_seconds=line.allocation.cpu_seconds,
            gb_seconds=line.allocation.gb_seconds,
            money=line.allocation_money,
        ),
    )


def line_of_message(line: pb.ReceiptLine) -> ReceiptLine:
    """Read one model's or stage's part."""
    usage = Usage(
        requests=line.requests,
        cpu_seconds=line.cpu_seconds,
        gb_seconds=line.gb_seconds,
        bytes_in=line.bytes_in,
        bytes_out=line.bytes_out,
        store_reads=line.store_reads,
        store_writes=line.store_writes,
        cold_cpu_seconds=line.cold_cpu_seconds,
    )
    allocation = Allocation(line.allocation.cpu_seconds, line.allocation.gb_seconds)
    return ReceiptLine(line.name, usage, line.money, allocation, line.allocation.money)
