"""Numbers of an edit in the shape of their place: people and messages give them in one row."""

from dataclasses import replace

from torch import Tensor

from quant.edits import Edit, EditBias, EditCodes, EditWeights
from quant.graph import Graph
from quant.operations import Weighted


def in_place(edit: Edit, graph: Graph) -> Edit:
    """The edit with its row of numbers, row-major, in the shape of the place that they fill.

    One number alone fills any place; a row that does not fit is left to the edit, which refuses it.
    """
    if not isinstance(edit, EditWeights | EditCodes | EditBias) or edit.values.dim() != 1:
        return edit
    if len(edit.values) == 1:
        return replace(edit, values=edit.values[0])
    operation = graph.layer(edit.layer).operation
    if not isinstance(operation, Weighted):
        return edit
    tensor: Tensor = operation.bias if isinstance(edit, EditBias) else operation.weight
    shape = tensor.shape[len(edit.place) :]
    return replace(edit, values=edit.values.reshape(shape)) if shape.numel() == len(edit.values) else edit
