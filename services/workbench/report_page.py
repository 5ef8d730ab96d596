"""A report as a page: what integers cost and save, time and error per layer, the worst layers with a remedy each."""

from services.edge.html_page import ChartLine, html_page, line_chart, paragraph, table
from services.workbench.report import Report
from services.workbench.report_tables import report_tables

_HIGHEST_DB = 80.0
"""Above it a curve says nothing more."""


def report_page(report: Report, written: str) -> str:
    """Write the page.

    Args:
        written: when.
    """
    modes, layers, worst = (table(*each) for each in report_tables(report))
    curves = [
        ChartLine("own", [min(each.own_db, _HIGHEST_DB) for each in report.layers]),
        ChartLine("total", [min(each.total_db, _HIGHEST_DB) for each in report.layers]),
    ]
    return html_page(
        f"Report on {report.model}",
        (
            paragraph(f"Weights {report.weights}; {report.pictures} pictures; {written}."),
            paragraph(f"{report.isa}, {report.threads} thread(s), batch 1."),
            modes,
            line_chart("Error over the layers, in int8", "dB", curves, [each.layer for each in report.layers]),
            layers,
            worst,
        ),
    )
