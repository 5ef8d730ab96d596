"""`strata quant compare`: which two variants are meant, and what is printed of them."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import typer
from rich.table import Table

from quant.affine import QParams
from quant.comparing import LayerComparison
from quant.decibels import decibel_text
from quant.precision import Mode
from services.cli.quant_begin import open_with_notice, progress_bar, tell_of_other_machine
from services.cli.quant_sessions import encoded_picture, grey_picture, model_to_send, stored_bytes
from services.edge.errors import NoIntegers
from services.workbench.client import RemoteSession, RemoteWorkbench
from services.workbench.comparing import ComparedVariant, VariantComparison, compare_variants
from services.workbench.engine_model import EngineModel
from services.workbench.files import INTEGER_SUFFIX, read_integers, stored_integers
from services.workbench.picture_files import PictureFiles
from services.workbench.session_log import NamedModel
from services.zoo.integers import Integers


class Side(NamedTuple):
    """`reference` is a model, or a file of integers for the other side's model."""

    reference: str
    mode: Mode

    @property
    def is_integers(self) -> bool:
        return self.reference.endswith(INTEGER_SUFFIX)


def sides_of(first: str, second: str) -> tuple[Side, Side]:
    """Read MODEL, MODEL@MODE, FILE.integers or FILE.integers@MODE. Raises BadParameter: no model on either side."""
    sides = _side(first), _side(second)
    if all(side.is_integers for side in sides):
        raise typer.BadParameter("which model? one side names it, the other may be a file of its integers")
    return sides


def _side(text: str) -> Side:
    reference, at, mode = text.rpartition("@")
    return Side(reference, Mode(mode)) if at and mode in set(Mode) else Side(text, Mode.INT8)


def compare_at(
    at: str | None, sides: tuple[Side, Side], paths: list[Path], weights: str | None, size: int | None
) -> VariantComparison:
    """Compare in this process, or at the workbench that `at` names; a side of integers is of the other side's model.

    Raises:
        NoIntegers: a mode that needs some, and none beside the model; and what opening and comparing raise.
    """
    named = tuple((other if side.is_integers else side).reference for side, other in (sides, sides[::-1]))
    with progress_bar("comparing") as step:
        if at is None:
            opened = {reference: open_with_notice(reference, weights, size) for reference in dict.fromkeys(named)}
            variants = [_variant(side, opened[model]) for side, model in zip(sides, named, strict=True)]
            return compare_variants(variants[0], variants[1], PictureFiles(paths), step)
        with RemoteWorkbench(at) as workbench, ExitStack() as sessions:
            one, other = (
                sessions.enter_context(_opened_there(workbench, side, model_to_send(model, weights, size)))
                for side, model in zip(sides, named, strict=True)
            )
            return one.compare_with(other, map(encoded_picture, paths), step)


def _variant(side: Side, model: EngineModel) -> ComparedVariant:
    if side.is_integers:
        integers: Integers | None = read_integers(Path(side.reference), model)
    else:
        integers = stored_integers(model, side.reference, None)
    if integers is None and side.mode is not Mode.FLOAT:
        raise _no_integers(side)
    if integers and side.mode is Mode.AUTO:
        tell_of_other_machine(integers)
    return ComparedVariant(model, integers or Integers(), side.mode)


def _opened_there(workbench: RemoteWorkbench, side: Side, model: NamedModel | bytes) -> RemoteSession:
    integers = stored_bytes(side.reference, Path(side.reference) if side.is_integers else None)
    if integers is None and side.mode is not Mode.FLOAT:
        raise _no_integers(side)
    return workbench.open(model, integers, grey_picture(), side.mode)


def _no_integers(side: Side) -> NoIntegers:
    return NoIntegers(f"{side.reference} has no integers for mode {side.mode}")


def comparison_table(rows: Iterable[LayerComparison]) -> Table:
    """One row a layer; where both sides have the same it stands there once."""
    table = Table("layer", "runs in", "scale", "zero point", "weight scale", "weights", "codes", "largest", "dB")
    for row in rows:
        sides = row.first, row.second
        table.add_row(
            row.layer,
            _pair(side.precision for side in sides),
            _pair(_scale(side.qparams) for side in sides),
            _pair("-" if side.qparams is None else str(side.qparams.zero_point) for side in sides),
            _pair("-" if side.weight_scale is None else f"{side.weight_scale:.4g}" for side in sides),
            _share(row.weight_codes_differing),
            _share(row.codes_differing),
            "-" if row.largest is None else str(row.largest),
            decibel_text(row.sqnr_db),
        )
    return table


def answer_lines(found: VariantComparison) -> list[str]:
    """What became of the answers; a line for each picture that has others."""
    what = "boxes" if found.detects else "classes"
    lines = [
        f"{what}: {found.agreement:.2%} the same on {len(found.pictures)} picture(s); "
        f"{found.points_lost:.2f} points lost by margin"
    ]
    for each in found.pictures:
        if each.agreement < 1:
            changed = (
                f"{each.classes[0]} -> {each.classes[1]}" if each.classes else f"{each.agreement:.0%} of the boxes"
            )
            lines.append(f"  {each.picture}: {changed}")
    return lines


def _pair(words: Iterable[str]) -> str:
    return " -> ".join(dict.fromkeys(words))


def _scale(qparams: QParams | None) -> str:
    return "-" if qparams is None else f"{qparams.scale:.4g}"


def _share(fraction: float | None) -> str:
    return "-" if fraction is None else f"{fraction:.2%}"
