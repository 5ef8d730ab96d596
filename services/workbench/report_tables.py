"""A report as words in tables, for terminals and pages alike."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from quant.decibels import decibel_text
from services.workbench.report import Report


class ReportTable(NamedTuple):
    """One table; so many columns from the left are words, the others numbers."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int


def report_tables(report: Report) -> Sequence[ReportTable]:
    """Modes, layers, worst layers."""
    classifies = report.agreements["float"].top1 is not None
    answers = ("top-1", "classes as float's") if classifies else ("boxes as float's",)
    layers = ("layer", "runs in", "float32 ms", "bfloat16 ms", "int8 ms", "own dB", "total dB")
    worst = ("worst layer", "remedy", "own dB before", "after", "model dB before", "after")
    return (
        ReportTable("Modes", ("mode", "ms", "faster than float", *answers), list(_modes(report, classifies)), 1),
        ReportTable("The layers", layers, list(_layers(report)), 2),
        ReportTable("The worst layers, and what helps", worst, list(_remedies(report)), 2),
    )


def _modes(report: Report, classifies: bool) -> Iterator[Sequence[str]]:
    for mode, ms in report.modes_ms.items():
        top1 = f"{report.accuracies[mode]:.2%}" if mode in report.accuracies else "unknown"
        answers = *([top1] if classifies else []), f"{report.agreements[mode].fraction:.2%}"
        yield mode, f"{ms:.1f}", f"x{report.modes_ms['float'] / ms:.2f}", *answers


def _layers(report: Report) -> Iterator[Sequence[str]]:
    for row in report.layers:
        narrow = "" if row.bfloat16_ms is None else f"{row.bfloat16_ms:.3f}"
        times = f"{row.float32_ms:.3f}", narrow, f"{row.int8_ms:.3f}"
        yield row.layer, row.precision, *times, decibel_text(row.own_db), decibel_text(row.total_db)


def _remedies(report: Report) -> Iterator[Sequence[str]]:
    for row in report.remedies:
        figures = row.before_db, row.after_db, row.model_before_db, row.model_after_db
        yield row.layer, row.action, *map(decibel_text, figures)
