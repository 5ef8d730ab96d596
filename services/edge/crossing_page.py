"""A cross as a page: the diagnosis, the errors over the layers, and all figures."""

from collections.abc import Sequence

from quant.decibels import decibel_text
from quant.diagnosis import CrossedLayer, diagnose
from services.edge.html_page import ChartLine, html_page, line_chart, paragraph, table

_HIGHEST_DB = 80.0
"""Above it a curve says nothing more."""


def crossing_page(model: str, mode: str, origin: str, rows: Sequence[CrossedLayer]) -> str:
    """Write the page.

    Args:
        origin: on what it was measured, and when.
    """
    found = diagnose(rows)
    return html_page(
        f"Cross of {model}, float against {mode}",
        (
            paragraph(origin),
            paragraph(found.words, strong=True),
            crossing_chart(rows) if rows else "",
            table(
                "The layers",
                ("layer", "runs in", "own dB", "inherited dB", "total dB", "share of the error"),
                (
                    (
                        row.layer,
                        row.precision,
                        *map(decibel_text, (row.own_db, row.inherited_db, row.total_db)),
                        f"{found.shares[row.layer]:.1%}",
                    )
                    for row in rows
                ),
                words=2,
            ),
            paragraph(
                "Signal to noise: higher is better. Own is what the layer adds itself, inherited what it was given, "
                "total what it passes on."
            ),
        ),
    )


def crossing_chart(rows: Sequence[CrossedLayer]) -> str:
    """Own, inherited and total error of each layer; no error at all is drawn as high as 80 dB."""
    lines = [
        ChartLine("own", [min(row.own_db, _HIGHEST_DB) for row in rows]),
        ChartLine("inherited", [min(row.inherited_db, _HIGHEST_DB) for row in rows]),
        ChartLine("total", [min(row.total_db, _HIGHEST_DB) for row in rows]),
    ]
    return line_chart("Error over the layers", "dB", lines, [row.layer for row in rows])
