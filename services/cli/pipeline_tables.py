"""What `strata pipeline` prints of cuts and stages."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.zoo.costs import Cost, total
from services.zoo.cuts import Cut, CutGraph

Row: TypeAlias = dict[str, Any]


def cut_rows(graph: CutGraph, costs: Sequence[Cost]) -> list[Row]:
    """Say for each legal cut what crosses, and what lies before and after it."""
    return [
        {
            "layer": cut.layer,
            "shape": list(cut.shape),
            "activation_bytes": cut.size_bytes,
            "before": _cost_row(costs[: cut.position + 1]),
            "after": _cost_row(costs[cut.position + 1 :]),
        }
        for cut in graph.cuts
    ]


def stage_rows(graph: CutGraph, costs: Sequence[Cost], cuts: Sequence[Cut], names: Sequence[str]) -> list[Row]:
    """Say for each stage which layers it has, what it hands on, and what it costs."""
    bounds = [0, *(cut.position + 1 for cut in cuts), len(graph.layers)]
    rows = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        crossing = cuts[number].size_bytes if number < len(cuts) else None
        rows.append(
            {
                "stage": number,
                "name": names[number] if names else f"stage-{number}",
                "first": graph.layers[start].name,
                "last": graph.layers[end - 1].name,
                "activation_bytes": crossing,
                **_cost_row(costs[start:end]),
            }
        )
    return rows


def print_cuts(rows: Sequence[Row], chosen: set[str]) -> None:
    """Print the legal cuts and what lies on either side of each; those chosen are marked."""
    numbers = [Column(name, justify="right") for name in ("activation", "weights MB", "MFLOP", "ms")]
    table = Table("", Column("cut after", overflow="fold"), *numbers, caption="before / after the cut, for one picture")
    for row in rows:
        before, after = row["before"], row["after"]
        table.add_row(
            "*" if row["layer"] in chosen else "",
            escape(row["layer"]),
            _bytes(row["activation_bytes"]),
            f"{before['weight_bytes'] / 1e6:.2f} / {after['weight_bytes'] / 1e6:.2f}",
            f"{before['flops'] / 1e6:.0f} / {after['flops'] / 1e6:.0f}",
            f"{before['time_ms']:.1f} / {after['time_ms']:.1f}",
        )
    Console().print(table, highlight=False)


def print_stages(rows: Sequence[Row]) -> None:
    """Print the stages that the chosen cuts make; activation, FLOP and time are one picture's, time on one thread."""
    numbers = [Column(name, justify="right") for name in ("activation", "weights", "MFLOP", "ms")]
    table = Table("stage", Column("layers", overflow="fold"), *numbers)
    for row in rows:
        hands_on = _bytes(row["activation_bytes"]) if row["activation_bytes"] is not None else "-"
        table.add_row(escape(row["name"]), escape(f"{row['first']} - {row['last']}"), hands_on, *_cost_cells(row))
    Console().print(table, highlight=False)


def print_report(report: Row, place: str) -> None:
    """Print what a job came to."""
    numbers = [Column(name, justify="right") for name in ("CPU s", "GB s", "store", "ops", "peak", "cold", "money")]
    table = Table("stage", *numbers)
    for row in [*report["stages"], {"stage": "driver", **report["driver"]}]:
        table.add_row(
            escape(row["stage"]),
            f"{row['cpu_seconds']:.2f}",
            f"{row['gb_seconds']:.2f}",
            _bytes(row["bytes_in"] + row["bytes_out"]),
            str(row["store_reads"] + row["store_writes"]),
            _bytes(row["peak_bytes"]) if "peak_bytes" in row else "-",
            str(row.get("cold_starts", "-")),
            f"{row['money']:.6f}",
        )
    console = Console()
    console.print(table, highlight=False)
    unread = f", {report['failed_pictures']} of which could not be decoded" if report["failed_pictures"] else ""
    failed = report["failed_records"]
    ends = f"done with {len(failed)} failed" if failed else "done"
    console.print(
        f"Job {report['job']} is {ends}: {report['records']} records, {report['pictures']} pictures{unread}, "
        f"{report['time_s']:.1f} s, {report['money']:.6f} {report['tariff']['currency']}. Answers: {place}/predictions",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    for each in failed:
        console.print(f"  {each['record']}: {each['error']}: {each['message']}", highlight=False, markup=False)


def _cost_row(costs: Sequence[Cost]) -> Row:
    whole = total(costs)
    return {"weight_bytes": whole.weight_bytes, "flops": whole.flops, "time_ms": round(whole.time_ms, 3)}


def _cost_cells(row: Row) -> list[str]:
    return [_bytes(row["weight_bytes"]), f"{row['flops'] / 1e6:.1f}", f"{row['time_ms']:.2f}"]


def _bytes(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
