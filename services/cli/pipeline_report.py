"""What `strata pipeline run` prints of a job that ended. Without torch, as the run is where all is compiled."""

from typing import Any, TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

Row: TypeAlias = dict[str, Any]


def size_text(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1e6:.2f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def print_report(report: Row, place: str) -> None:
    """Print what a job came to."""
    numbers = [Column(name, justify="right") for name in ("CPU s", "GB s", "store", "ops", "peak", "cold", "money")]
    table = Table("stage", *numbers)
    for row in [*report["stages"], {"stage": "driver", **report["driver"]}]:
        table.add_row(
            escape(row["stage"]),
            f"{row['cpu_seconds']:.2f}",
            f"{row['gb_seconds']:.2f}",
            size_text(row["bytes_in"] + row["bytes_out"]),
            str(row["store_reads"] + row["store_writes"]),
            size_text(row["peak_bytes"]) if "peak_bytes" in row else "-",
            str(row.get("cold_starts", "-")),
            f"{row['money']:.6f}",
        )
    console = Console()
    console.print(table, highlight=False)
    unread = f", {report['failed_pictures']} of which could not be decoded" if report["failed_pictures"] else ""
    failed = report["failed_records"]
    ends = f"done, {len(failed)} {'record' if len(failed) == 1 else 'records'} set aside" if failed else "done"
    console.print(
        f"Job {report['job']} is {ends}: {report['records']} records, {report['pictures']} pictures{unread}, "
        f"{report['time_s']:.1f} s, {report['money']:.6f} {report['tariff']['currency']}. Answers: {place}/predictions",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    held, currency = report["allocation"], report["tariff"]["currency"]
    console.print(
        f"Held, idle time and starts included: {held['cpu_seconds']:.2f} CPU s, {held['gb_seconds']:.2f} GB s, "
        f"{held['money']:.6f} {currency}.",
        highlight=False,
        soft_wrap=True,
    )
    if "expected" in report:
        words = [_sum_up(report[key], currency) for key in ("expected", "was")]
        console.print(f"Expected: {words[0]}. It was: {words[1]}.", highlight=False, soft_wrap=True)
    if (loss := report["loss"]) and loss["pictures"]:
        same, pictures = round(loss["top_1_agreement"] * loss["pictures"]), loss["pictures"]
        console.print(
            f"Activations are {report['activations']}: of {pictures} pictures {same} have the best class that float32 "
            f"gives them; the largest relative error of a score is {loss['largest_relative_error']:.1e}.",
            highlight=False,
            soft_wrap=True,
        )
    for each in failed:
        console.print(f"  {each['record']}: {each['error']}: {each['message']}", highlight=False, markup=False)


def _sum_up(come_to: Row, currency: str) -> str:
    """What a job comes to where each stage has the plan's memory."""
    return f"{come_to['time_s']:.1f} s, {come_to['gb_seconds']:.2f} GB s, {come_to['money']:.6f} {currency}"
