"""What a node of an exported program says of itself: its operator, its arguments, its place."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from torch import Tensor
from torch.fx import Node

from services.edge.errors import Unsupported


def operator_name(node: Node) -> str:
    """torch's name without overload and without the underscore of its in-place form."""
    name = str(getattr(node.target, "_opname", None) or getattr(node.target, "__name__", node.target))
    return name if name.startswith("_") or not name.endswith("_") else name[:-1]


def arguments_of(node: Node, defaults: Sequence[Any]) -> list[Any]:
    """The node's first positional arguments, by keyword where given so, filled up with the defaults."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    given = dict(zip((argument.name for argument in schema), node.args, strict=False)) | node.kwargs
    names = [argument.name for argument in schema]
    return [given.get(name, default) for name, default in zip_longest(names, defaults)][: len(defaults)]


def pair(value: Any) -> tuple[int, int]:
    """(H, W) of an argument that torch takes as one number or two."""
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first


def tensor_of(node: Any) -> Tensor:
    """The shape and type that the export left at a node. Raises Unsupported where it computes no tensor."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    if not isinstance(value, Tensor):
        raise Unsupported(f"{named(node)} stands where a value computed from the picture is expected")
    return value


def place(node: Node) -> str:
    """The node for a message: its name in the program and the module that computes it."""
    stack = list((node.meta.get("nn_module_stack") or {"": ("", "")}).values())
    path = str(stack[-1][0]).removeprefix("L['self'].")
    return f"{node.name!r} in module {path!r}" if path else f"{node.name!r}"


def named(argument: Any) -> str:
    """An argument for a message: a node by its place, else as it is written."""
    return place(argument) if isinstance(argument, Node) else f"{argument!r}"


def dtype_name(tensor: Tensor) -> str:
    """`float16`, as its user would write it."""
    return str(tensor.dtype).removeprefix("torch.")
