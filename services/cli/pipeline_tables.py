"""What `strata pipeline` prints of cuts and stages."""

from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.cli.pipeline_report import Row, size_text
from services.zoo.costs import Cost, total
from services.zoo.cuts import Cut, CutPlaces


def cut_rows(places: CutPlaces, costs: Sequence[Cost]) -> list[Row]:
    """Say for each legal cut what crosses, and what lies before and after it."""
    return [
        {
            "layer": cut.layer,
            "shape": list(cut.shape),
            "activation_bytes": cut.size_bytes,
            "before": _cost_row(costs[: cut.position + 1]),
            "after": _cost_row(costs[cut.position + 1 :]),
        }
        for cut in places.cuts
    ]


def stage_rows(places: CutPlaces, costs: Sequence[Cost], cuts: Sequence[Cut], names: Sequence[str]) -> list[Row]:
    """Say for each stage which layers it has, what it hands on, and what it costs."""
    bounds = [0, *(cut.position + 1 for cut in cuts), len(places.layers)]
    rows = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        crossing = cuts[number].size_bytes if number < len(cuts) else None
        rows.append(
            {
                "stage": number,
                "name": names[number] if names else f"stage-{number}",
                "first": places.layers[start].name,
                "last": places.layers[end - 1].name,
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
            size_text(row["activation_bytes"]),
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
        hands_on = size_text(row["activation_bytes"]) if row["activation_bytes"] is not None else "-"
        table.add_row(escape(row["name"]), escape(f"{row['first']} - {row['last']}"), hands_on, *_cost_cells(row))
    Console().print(table, highlight=False)


def _cost_row(costs: Sequence[Cost]) -> Row:
    whole = total(costs)
    return {"weight_bytes": whole.weight_bytes, "flops": whole.flops, "time_ms": round(whole.time_ms, 3)}


def _cost_cells(row: Row) -> list[str]:
    return [size_text(row["weight_bytes"]), f"{row['flops'] / 1e6:.1f}", f"{row['time_ms']:.2f}"]
