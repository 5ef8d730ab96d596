"""A page as one HTML file that needs nothing beside it: no server, no network, no script."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #57606a; --paper: #fff; --line: #d0d7de;
  --series-0: #0b5cad; --series-1: #9a5b00; --series-2: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #0d1117; --line: #3d444d;
  --series-0: #6cb6ff; --series-1: #e0a458; --series-2: #ff8f85; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 70em; padding: 0 1em;
  color: var(--ink); background: var(--paper); }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; }
.badge { color: #fff; border-radius: .3em; padding: .1em .5em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .3em 0; }
td, th { border-bottom: 1px solid var(--line); padding: .3em .8em; text-align: right; }
.word { text-align: left; font-weight: normal; } thead .word, thead th { font-weight: 600; }
figure { margin: 2em 0; } figcaption { font-weight: 600; }
figure svg, figure img { max-width: 100%; height: auto; }
.drawn { background: #fff; }
.soft { color: var(--soft); }
.chart text { fill: var(--soft); font-size: 11px; } .chart .grid { stroke: var(--line); }
.chart polyline { fill: none; stroke-width: 2; } .chart circle { stroke: none; }
"""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 1000, 380, 46, 110, 24
_MOST_NAMES = 60
"""More do not fit below a chart beside each other."""
_DASHES = ("", "7 4", "2 3")


@dataclass(frozen=True)
class ChartLine:
    """One line of a chart, a value for each place on the horizontal axis."""

    name: str
    values: Sequence[float]


def html_page(title: str, sections: Iterable[str], heading: str = "", style: str = "") -> str:
    """The whole file.

    Args:
        title: of the window, and of the page where there is no `heading`.
        sections: HTML, from the functions below.
        heading: HTML.
        style: CSS of this page alone.
    """
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>",
            f"<body><main><h1>{heading or escape(title)}</h1>",
            *sections,
            "</main></body></html>\n",
        )
    )


def paragraph(text: str, *, strong: bool = False) -> str:
    """A sentence or a few; none of nothing."""
    words = f"<strong>{escape(text)}</strong>" if strong else escape(text)
    return f"<p>{words}</p>" if text else ""


def table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A table that scrolls by itself where it is wider than the page.

    Args:
        words: so many columns from the left are text, the others numbers.
    """
    head = "".join(f'<th scope="col"{_word(n < words)}>{escape(each)}</th>' for n, each in enumerate(headings))
    head = f"<thead><tr>{head}</tr></thead>" if any(headings) else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>{head}<tbody>{''.join(_row(row, words) for row in rows)}</tbody>"
        "</table></div>"
    )


def figure(caption: str, content: str) -> str:
    """A drawing, SVG or HTML, below what it shows."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{content}</figure>"


def line_chart(caption: str, unit: str, lines: Sequence[ChartLine], names: Sequence[str]) -> str:
    """Up to three lines over the same names.

    Args:
        unit: of the vertical axis.
        names: of the places on the horizontal axis; every so many are written, and each shows when pointed at.
    """
    values = [value for line in lines for value in line.values]
    low, step, grid = _axis(min(values), max(values))
    high = low + step * (len(grid) - 1)
    right, below = _WIDTH - 10, _HEIGHT - _BOTTOM

    def x(n: int) -> float:
        return _LEFT + (right - _LEFT) * (n / (len(names) - 1) if len(names) > 1 else 0.5)

    def y(value: float) -> float:
        return below - (below - _TOP) * (value - low) / (high - low)

    parts = [f'<text x="0" y="12">{escape(unit)}</text>']
    for value in grid:
        parts.append(f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    every = math.ceil(len(names) / _MOST_NAMES)
    for n in range(0, len(names), every):
        at = f"{x(n) + 4:.1f} {below + 8}"
        parts.append(f'<text transform="translate({at}) rotate(-90)" text-anchor="end">{escape(names[n])}</text>')
    for number, line in enumerate(lines):
        colour, dash = f"var(--series-{number})", _DASHES[number]
        points = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in enumerate(line.values))
        parts.append(f'<polyline points="{points}" style="stroke:{colour}" stroke-dasharray="{dash}"/>')
        parts += [
            f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="3" style="fill:{colour}"><title>'
            f"{escape(names[n])}: {escape(line.name)} {value:.1f} {escape(unit)}</title></circle>"
            for n, value in enumerate(line.values)
        ]
        left = _LEFT + 40 + 130 * number
        parts.append(
            f'<path d="M{left} 9h28" style="stroke:{colour};stroke-width:2" stroke-dasharray="{dash}"/>'
            f'<text x="{left + 34}" y="13">{escape(line.name)}</text>'
        )
    label = escape(f"{caption}; the table below has the same")
    drawing = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    )
    return figure(caption, drawing)


def _row(row: Sequence[str], words: int) -> str:
    first, *rest = row
    cells = "".join(f"<td{_word(n < words)}>{escape(cell)}</td>" for n, cell in enumerate(rest, 1))
    return f'<tr><th scope="row"{_word(words > 0)}>{escape(first)}</th>{cells}</tr>'


def _word(is_word: bool) -> str:
    return ' class="word"' if is_word else ""


def _axis(least: float, most: float) -> tuple[float, float, list[float]]:
    """Where an axis begins, its step, and its round values, which hold `least` to `most`; at least two."""
    span = max(most - least, 1e-9)
    size = 10 ** math.floor(math.log10(span / 5))
    step = next(size * factor for factor in (1, 2, 5, 10) if span / (size * factor) <= 6)
    first = math.floor(least / step)
    last = max(math.ceil(most / step), first + 1)
    return first * step, step, [n * step for n in range(first, last + 1)]
