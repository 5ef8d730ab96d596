"""The table of `strata receipts`."""

import io

from rich.console import Console

from services.cli.receipts import receipts_table
from services.edge.receipts import CLOUD_RUN, Allocation, Usage, write_receipt
from services.ensemble.receipt_sums import Dimension, Entry, sum_up

USAGE = Usage(1234, cpu_seconds=12.345, gb_seconds=123.456, cold_cpu_seconds=0.125)


def test_every_figure_has_a_heading_of_its_own_and_is_whole_in_80_columns() -> None:
    receipt = write_receipt([("sleep-100", USAGE, Allocation(78.5, 654.321))], CLOUD_RUN)
    by = [Dimension.MODEL]
    table = receipts_table(sum_up([Entry(0.0, "ann", "e", receipt, {"sleep-100": Allocation(1.5, 2.5)})], by), by)
    headings = [str(column.header) for column in table.columns]
    assert len(set(headings)) == len(headings)
    output = io.StringIO()
    Console(file=output, width=80).print(table)
    row = next(line for line in output.getvalue().splitlines() if line.split()[:1] == ["sleep-100"])
    whole = {"usage\nCPU s": "12.470", "cold\nCPU s": "0.125", "allocation\nCPU s": "78.500"}
    figures = dict(zip(headings, row.split(), strict=True))
    assert figures.items() >= whole.items()
    assert "…" not in output.getvalue()
