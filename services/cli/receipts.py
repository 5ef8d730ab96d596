"""`strata receipts`: what answers cost, summed."""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.completions import DIMENSIONS, one_of_words
from services.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.edge.receipts import ReceiptLine
    from services.ensemble.receipt_sums import Dimension, Entry, Sums

_UNCLAIMED = "unclaimed"
_HEADINGS = (
    "calls",
    *("usage\nCPU s", "cold\nCPU s", "usage\nGiB·s", "usage\nmoney"),
    *("allocation\nCPU s", "allocation\nGiB·s", "allocation\nmoney"),
)


def receipts(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="Where a front door keeps them; by default that of `strata serve`."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(autocompletion=one_of_words(DIMENSIONS), help="Any of user, model and hour, with commas between."),
    ] = "model",
    hours: Annotated[float | None, typer.Option(min=0, help="Only those of the last so many hours.")] = None,
    as_json: Json = False,
) -> None:
    """Sum the receipts of all answers that a front door has kept, on two bases.

    Usage is what requests took themselves. Allocation is all that their processes spent and held meanwhile, idle time
    and starts included; what of it is on no receipt is the line "unclaimed".
    """
    from services.edge.errors import NotFound
    from services.ensemble.receipt_log import read_receipts
    from services.ensemble.receipt_sums import sum_up
    from services.local.running import receipts_folder, state_folder

    dimensions = _dimensions(by)
    place = folder or receipts_folder(state_folder(os.environ))
    if not place.is_dir():
        raise NotFound(f"no receipts in {place}; a service keeps them from its first answer on: `strata serve start`")
    sums = sum_up(_newest(read_receipts(place), hours), dimensions)
    if as_json:
        typer.echo(json.dumps(_as_json(sums, dimensions), indent=1))
    elif sums.since_s is None:
        typer.echo(f"No receipts are in {place}{'' if hours is None else f' of the last {hours:g} hours'}.")
    else:
        Console().print(receipts_table(sums, dimensions), highlight=False)


def _dimensions(by: str) -> "list[Dimension]":
    from services.ensemble.receipt_sums import Dimension

    known = [dimension.value for dimension in Dimension]
    names = [name.strip() for name in by.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(known)}", param_hint="--by")
    return list(map(Dimension, dict.fromkeys(names)))


def _newest(entries: "Iterable[Entry]", hours: float | None) -> "Iterable[Entry]":
    if hours is None:
        return entries
    since_s = datetime.now(UTC).timestamp() - 3600 * hours
    return (entry for entry in entries if entry.at_s >= since_s)


def _as_json(sums: "Sums", by: "Sequence[Dimension]") -> dict[str, Any]:
    return {
        "since": _time(sums.since_s),
        "currency": sums.currency,
        "groups": [
            {**dict(zip(by, group.key, strict=True)), "answers": group.answers, **_fields(group.line)}
            for group in sums.groups
        ],
        _UNCLAIMED: _fields(sums.unclaimed)["allocation"],
        "total": _fields(sums.total),
    }


def _fields(line: "ReceiptLine") -> dict[str, Any]:
    allocation = {**asdict(line.allocation), "money": line.allocation_money}
    return {**asdict(line.usage), "money": line.money, "allocation": allocation}


def receipts_table(sums: "Sums", by: "Sequence[Dimension]") -> Table:
    """A row a group, then what is on no receipt and the total; usage first, allocation after it."""
    caption = "Usage is what requests took themselves, cold what starts took of it."
    title = f"Receipts since {_time(sums.since_s)}, money in µ{sums.currency}"
    table = Table(title=title, caption=caption, box=SIMPLE, padding=0)  # whole in a terminal of 80 columns
    for dimension in by or ("",):
        table.add_column(dimension, overflow="fold", min_width=len(_UNCLAIMED))
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    blank = [""] * (len(by) - 1)
    for group in sums.groups:
        table.add_row(*map(escape, group.key or ("all",)), *_usage(group.line), *_allocation(group.line))
    table.add_section()
    table.add_row(_UNCLAIMED, *blank, *[""] * 5, *_allocation(sums.unclaimed))
    table.add_row("total", *blank, *_usage(sums.total), *_allocation(sums.total))
    return table


def _usage(line: "ReceiptLine") -> tuple[str, ...]:
    usage = line.usage
    cpu_s = usage.cpu_seconds + usage.cold_cpu_seconds
    return (
        str(usage.requests),
        f"{cpu_s:.3f}",
        f"{usage.cold_cpu_seconds:.3f}",
        f"{usage.gb_seconds:.3f}",
        f"{1e6 * line.money:.2f}",
    )


def _allocation(line: "ReceiptLine") -> tuple[str, ...]:
    allocation = line.allocation
    return f"{allocation.cpu_seconds:.3f}", f"{allocation.gb_seconds:.3f}", f"{1e6 * line.allocation_money:.2f}"


def _time(at_s: float | None) -> str | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
