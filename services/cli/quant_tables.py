"""What `strata quant` prints: tables for people, JSON for programs."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from quant.algorithms import algorithm_named
from quant.calibration import BEST, Choice
from quant.crossing import Crossing
from quant.decibels import decibel_text
from services.workbench.calibrating import CalibrationSummary
from services.workbench.engine_model import KnownModel
from services.workbench.findings import Findings
from services.workbench.report import Report
from services.workbench.report_tables import report_tables


def finding_lines(model: KnownModel, found: Findings) -> list[str]:
    """A line for each box, or one that says there is none; or a line for each class."""
    if found.boxes is not None:
        return [f"{box.score:6.1%} {model.label(box.label)}" for box in found.boxes] or ["no boxes"]
    return [f"{guess.probability:6.1%} {guess.name}" for guess in found.guesses or ()]


def findings_as_json(model: KnownModel, found: Findings) -> dict[str, Any]:
    """Boxes with their classes' names, or classes."""
    if found.boxes is not None:
        return {"boxes": [{"name": model.label(box.label), **vars(box)} for box in found.boxes]}
    return {"classes": [vars(guess) for guess in found.guesses or ()]}


def choice_table(what: str, choices: Iterable[Choice]) -> Table:
    """Every algorithm tried on every value, or on every layer's weights; the reason stands beside the one taken."""
    table = Table(what, "algorithm", "scale", "zero point", "clipped", "SQNR dB", "cosine", "KL", "output dB", "chosen")
    for choice in choices:
        for each in choice.candidates:
            mark = choice.reason if each.algorithm == choice.algorithm else ""
            figures = (
                f"{each.scale:.4g}",
                str(each.zero_point),
                f"{each.clipped_fraction:.3%}",
                decibel_text(each.sqnr_db),
            )
            more = f"{each.cosine:.5f}", f"{each.kl_nats:.2g}", decibel_text(each.output_sqnr_db)
            table.add_row(choice.name, each.algorithm, *figures, *more, mark)
    return table


def calibration_lines(found: CalibrationSummary) -> list[str]:
    """What was chosen how often and what is kept; of an algorithm that was asked for, what it costs and is for."""
    lines = []
    for what, choices in (("values", found.values), ("weights", found.weights)):
        if choices:
            taken = Counter(choice.algorithm for choice in choices.values()).most_common()
            kept = sorted((choice.chosen.output_sqnr_db, choice.name) for choice in choices.values())
            middle_db, (least_db, weakest) = kept[len(kept) // 2][0], kept[0]
            lines.append(
                f"{what}: {', '.join(f'{name} {count}' for name, count in taken)}; half of them keep "
                f"{decibel_text(middle_db, ' dB')} or more, {weakest} the least, {decibel_text(least_db, ' dB')}"
            )
    if found.asked != BEST:
        every = *found.values.values(), *found.weights.values()
        lost_db, where = max((choice.lost_db, choice.name) for choice in every)
        lines.append(f"{found.asked} is for {algorithm_named(found.asked).purpose}")
        lines.append(f"it loses {lost_db:.1f} dB at {where} against the best algorithm there, which `best` takes")
    return lines


def crossing_table(rows: Iterable[Crossing]) -> Table:
    """One row a layer."""
    table = Table("layer", "precision", "own dB", "inherited dB", "total dB")
    for row in rows:
        table.add_row(row.layer, row.precision, *map(decibel_text, (row.own_db, row.inherited_db, row.total_db)))
    return table


def print_report(report: Report, console: Console) -> None:
    """Three tables: modes, layers, worst layers."""
    console.print(f"{report.model}, weights {report.weights}; {report.pictures} pictures", highlight=False)
    console.print(f"{report.isa}, {report.threads} thread(s), batch 1", highlight=False)
    for each in report_tables(report):
        shown = Table(*each.headings)
        for row in each.rows:
            shown.add_row(*row)
        console.print(shown)


def print_json(content: Any) -> None:
    """Print dataclasses, mappings and lists as JSON."""

    def plain(value: object) -> Any:
        if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        raise TypeError(type(value))

    typer.echo(json.dumps(content, default=plain, indent=1))
