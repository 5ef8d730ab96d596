"""What the stepper prints of layers: all of them as a table, one of them in full, and its numbers."""

from collections.abc import Iterable
from itertools import islice, product

from rich.table import Table
from torch import Tensor

from quant.affine import QParams
from quant.layer_info import LayerInfo
from services.edge.errors import InvalidInput
from services.workbench.layer_card import LayerCard, TensorPart

_MOST_ROWS, _COLUMNS = 16, 16


def layer_table(infos: Iterable[LayerInfo], here: str | None) -> Table:
    """One row a layer; * marks the one that one stands at."""
    table = Table("", "#", "layer", "operation", "reads", "shape", "precision", "scale", "zero point")
    for info in infos:
        scale = [f"{info.qparams.scale:.4g}", str(info.qparams.zero_point)] if info.qparams else ["", ""]
        made = info.layer, info.operation, ", ".join(info.inputs), _shape(info.shape), info.precision.value
        table.add_row("*" if info.layer == here else "", str(info.index), *made, *scale)
    return table


def card_lines(card: LayerCard) -> list[str]:
    """A layer: what it is, what it is made with, its tensors in figures, and the codes of its value."""
    info = card.info
    made = f"shape {_shape(info.shape)}, {info.parameters} parameters, runs in {info.precision.value}"
    lines = [f"{info.index} {info.layer}: {info.operation} of {', '.join(info.inputs)}", f"  {made}"]
    if card.parameters:
        lines.append("  " + ", ".join(f"{name} {value}" for name, value in sorted(card.parameters.items())))
    for name in ("weights", "bias", "codes", "scales"):
        figures = getattr(card, name)
        if figures is not None:
            found = figures.statistics
            spread = f"{found.low:.4g} .. {found.high:.4g}, mean {found.mean:.4g}, std {found.std:.4g}"
            lines.append(f"  {name} {_shape(figures.shape)}: {spread}")
    return [*lines, f"  value in {_coding(info.qparams)}"]


def number_lines(part: TensorPart, place: tuple[int, ...], tensor: Tensor) -> list[str]:
    """The numbers at a place in a tensor, of many the first: up to 16 of a row in a line, after where these begin.

    Raises:
        InvalidInput: the tensor has no such place.
    """
    sizes = tensor.shape[: len(place)]
    if len(place) > tensor.dim() or any(not 0 <= at < size for at, size in zip(place, sizes, strict=True)):
        shape = f"{part.value} have shape {_shape(tensor.shape)}"
        raise InvalidInput(f"{shape}; there is no place {','.join(map(str, place))} in them")
    found = tensor[place]
    while found.dim() > 1 and found.shape[-1] == 1:  # a 1x1 kernel's numbers in one row
        found = found.squeeze(-1)
    wide = found.shape[-1] if found.dim() else 1
    rows = (
        (position, start) for position in product(*map(range, found.shape[:-1])) for start in range(0, wide, _COLUMNS)
    )
    lines, shown = [f"{part.value} {_shape(tensor.shape)}"], 0
    for position, start in islice(rows, _MOST_ROWS):
        numbers = found[position].reshape(-1)[start : start + _COLUMNS].tolist()
        at = ",".join(map(str, (*place, *position, *([start] if wide > _COLUMNS else []))))
        lines.append(f"  {at or 'all'}: {' '.join(f'{number:.6g}' for number in numbers)}")
        shown += len(numbers)
    if shown < found.numel():
        lines.append(f"  {shown} of {found.numel()} numbers; name a place to see others")
    return lines


def _shape(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def _coding(qparams: QParams | None) -> str:
    if qparams is None:
        return "float32"
    spread = f"{qparams.low:.4g} .. {qparams.high:.4g}"
    return f"codes 0 .. 255 for {spread}: scale {qparams.scale:.4g}, zero point {qparams.zero_point}"
