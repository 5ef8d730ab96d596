"""What an edit did, and why where it did nothing."""

from dataclasses import dataclass

from quant.edits import Edit, EditPrecision, EditRange
from quant.layer_info import LayerInfo
from quant.stepping import Difference


@dataclass(frozen=True)
class EditResult:
    """What an edit did to the layer's value; `unread` says why nothing that runs has changed, empty where it has."""

    difference: Difference
    unread: str = ""


def why_unread(edit: Edit, info: LayerInfo) -> str:
    """Why an edit changes nothing that runs, and what would let it.

    Args:
        info: of the layer that is edited, or whose value is.
    """
    precision = info.precision.value
    match edit:
        case EditPrecision():
            return f"layer {info.layer!r} runs in {precision} already"
        case EditRange():
            return f"no layer reads codes of the value of {info.layer!r} now: let it, or one that reads it, run in int8"
        case _:
            return f"layer {info.layer!r} runs in {precision}, without codes or scales: let it run in hybrid or int8"
