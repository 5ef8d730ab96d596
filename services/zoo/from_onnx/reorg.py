"""Darknet's reorg, which ONNX has no operator for: the three nodes that are written in its place become one again."""

from collections.abc import Callable

import onnx
from onnx import helper, numpy_helper

from services.zoo.onnx_form.operations import REORG_ORDER

REORG = "Reorg"
"""No operator of ONNX's: what stands for the three, with its stride."""


def join_reorgs(graph: onnx.GraphProto, shape_of: Callable[[str], tuple[int, ...]]) -> None:
    """Put one node in the place of each Reshape, Transpose, Reshape that do together what a reorg does.

    Args:
        shape_of: a value's, without N.
    """
    made = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for last in list(graph.node):
        middle = made.get(last.input[0]) if last.op_type == "Reshape" else None
        if middle is None or middle.op_type != "Transpose" or _order(middle) != REORG_ORDER:
            continue
        first = made.get(middle.input[0])
        if first is None or first.op_type != "Reshape" or first.input[1] not in constants:
            continue
        blocks = tuple(numpy_helper.to_array(constants[first.input[1]])[1:])
        stride, before = int(blocks[-1]), shape_of(first.input[0])
        if (blocks, shape_of(last.output[0])) == _shapes_of_reorg(before, stride):
            last.CopyFrom(helper.make_node(REORG, first.input[:1], last.output, name=last.name, stride=stride))
            graph.node.remove(middle)
            graph.node.remove(first)


def _order(transpose: onnx.NodeProto) -> tuple[int, ...]:
    return next((tuple(each.ints) for each in transpose.attribute if each.name == "perm"), ())


def _shapes_of_reorg(shape: tuple[int, ...], stride: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The blocks that a feature map is parted in, and what becomes of it; None where it cannot be."""
    if len(shape) != 3 or stride < 1 or shape[0] % stride**2 or any(side % stride for side in shape[1:]):
        return None
    C, H, W = shape
    return (C // stride**2, H, stride, W, stride), (C * stride**2, H // stride, W // stride)
