"""What a layer was, as a page to share: its value as a picture and in figures, and its weights in figures."""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from quant.decibels import decibel_text
from services.console.session_bodies import CardBody, HistogramBody, LookBody, StatisticsBody
from services.edge.html_page import ChartLine, figure, html_page, line_chart, paragraph, table


class SharedLayer(NamedTuple):
    """A layer of a run as it stood; `maps` is a PNG."""

    model: str
    mode: str
    edits: int
    picture_name: str
    card: CardBody
    look: LookBody
    maps: bytes


def layer_page(shared: SharedLayer, written: str) -> str:
    """Write the page.

    Args:
        written: when.
    """
    layer = shared.card.layer
    edits = f"{shared.edits} edits; " if shared.edits else ""
    shape = " × ".join(map(str, layer.shape))
    png = b64encode(shared.maps).decode()
    maps = f'<img src="data:image/png;base64,{png}" alt="Feature maps of {escape(layer.name)}">'
    return html_page(
        f"{layer.name} of {shared.model}, {shared.mode}",
        (
            paragraph(f"{shared.picture_name}; {edits}{written}. As it was then: what is shared does not change."),
            table("The layer", ("", ""), _facts(shared, shape), words=2),
            figure("Feature maps", maps),
            _histogram("Value", shared.look.histogram),
            table("In figures", ("", *_HEADINGS), _figures(shared), words=1),
        ),
    )


_HEADINGS = ("lowest", "highest", "mean", "deviation", "zeros")


def _facts(shared: SharedLayer, shape: str) -> Iterator[Sequence[str]]:
    layer = shared.card.layer
    yield "operation", layer.operation
    yield "shape", shape
    yield "runs in", layer.precision
    yield "reads", ", ".join(layer.inputs)
    if layer.parameters:
        yield "parameters", f"{layer.parameters:,}"
    if layer.qparams:
        yield "scale, zero point", f"{layer.qparams.scale:.4g}, {layer.qparams.zero_point}"
    yield "signal to noise against float", decibel_text(shared.look.visit.sqnr_db, " dB")
    yield from shared.card.parameters.items()


def _figures(shared: SharedLayer) -> Iterator[Sequence[str]]:
    yield "value", *_statistics(shared.look.visit.statistics)
    for name in ("weights", "bias", "codes", "scales"):
        if tensor := getattr(shared.card, name):
            yield name, *_statistics(tensor.statistics)


def _statistics(of: StatisticsBody) -> Sequence[str]:
    return *(f"{value:.4g}" for value in (of.low, of.high, of.mean, of.std)), f"{of.zero_fraction:.1%}"


def _histogram(name: str, of: HistogramBody) -> str:
    middles = [f"{(low + high) / 2:.3g}" for low, high in zip(of.edges, of.edges[1:], strict=False)]
    return line_chart(f"{name}, how often", "elements", [ChartLine("elements", list(map(float, of.counts)))], middles)
