"""Runs side by side as a page: the picture with what each found, the answers, the times."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from services.console.http_bodies import BoxBody, RunBody
from services.edge.html_page import figure, html_page, paragraph, table
from services.edge.hues import hue_of

MOST_RUNS = 4
_STYLE = """
.panes { display: grid; grid-template-columns: repeat(auto-fit, minmax(18em, 1fr)); gap: 1em; }
.picture { position: relative; } .picture img { display: block; width: 100%; }
.picture span { position: absolute; box-sizing: border-box; border: 2px solid var(--hue); }
.picture b { background: var(--hue); color: #fff; font-size: 12px; padding: 0 .3em; }
"""


class ComparedRun(NamedTuple):
    """A run, and its picture with its media type."""

    run: RunBody
    picture: bytes
    picture_kind: str


def comparison_page(compared: Sequence[ComparedRun], written: str) -> str:
    """Write the page.

    Args:
        written: when.
    """
    runs = [each.run for each in compared]
    depth = max(len(_answers(run)) for run in runs)
    headings = [f"{run.model}, {run.mode}" for run in runs]
    return html_page(
        f"Comparison: {' and '.join(headings)}" if len(runs) > 1 else headings[0],
        (
            paragraph(f"{', '.join(dict.fromkeys(run.picture_name for run in runs))}; {written}."),
            f'<div class="panes">{"".join(map(_pane, compared))}</div>',
            table("Times", ("run", "on", "state", "ms"), map(_times, runs), words=3),
            table(
                "Answers, the surest first",
                ("", *headings),
                ((str(n + 1), *(_nth(_answers(run), n) for run in runs)) for n in range(depth)),
                words=1 + len(runs),
            ),
        ),
        style=_STYLE,
    )


def _pane(compared: ComparedRun) -> str:
    run, boxes = compared.run, compared.run.result.boxes if compared.run.result else []
    address = f"data:{compared.picture_kind};base64,{b64encode(compared.picture).decode()}"
    said = escape(f"{run.picture_name}; found: {', '.join(_answers(run)) or 'nothing'}")
    picture = f'<div class="picture"><img src="{address}" alt="{said}">{"".join(map(_box, boxes))}</div>'
    worth = (
        "" if run.result is None or run.result.trained else "; random weights: its times are real, its answers are not"
    )
    return figure(f"{run.model}, {run.mode}{worth}", picture)


def _box(box: BoxBody) -> str:
    left, right = (_inside(box.x + side * box.width / 2) for side in (-1, 1))
    top, bottom = (_inside(box.y + side * box.height / 2) for side in (-1, 1))
    sides = f"left:{left:.2%};top:{top:.2%};width:{right - left:.2%};height:{bottom - top:.2%}"
    name = f"<b>{escape(box.name)} {box.score:.0%}</b>"
    return f'<span aria-hidden="true" style="--hue:{hue_of(box.label)};{sides}">{name}</span>'


def _inside(share: float) -> float:
    """Of the picture, which a box at its edge can reach beyond."""
    return min(1.0, max(0.0, share))


def _times(run: RunBody) -> tuple[str, str, str, str]:
    result = run.result
    state = run.fault or run.state.value
    return f"{run.model}, {run.mode}", result.isa if result else "", state, f"{result.latency_ms:.1f}" if result else ""


def _answers(run: RunBody) -> list[str]:
    if run.result is None:
        return []
    if run.result.detects:
        return [f"{box.name} {box.score:.0%}" for box in run.result.boxes]
    return [f"{guess.name} {guess.probability:.1%}" for guess in run.result.guesses]


def _nth(answers: Sequence[str], n: int) -> str:
    return answers[n] if n < len(answers) else ""
