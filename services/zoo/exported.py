"""Torch models as graphs: torch.export's program, operator by operator, then folded.

`graph_of_program` also takes a `.pt2` file's program (torch.export.load).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from quant.activation import LEAKY_SLOPE, Activation
from quant.folding import fold
from quant.graph import INPUT, Graph, Layer
from quant.operations import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    Operation,
    Pad,
    Padding,
    Slice,
    Softmax,
    Upsample,
)
from services.edge.errors import Unsupported


def graph_of(model: nn.Module, example: Tensor) -> Graph:
    """The model in evaluation mode as a graph, batch norms and activations folded in.

    Args:
        example: [N, C, H, W], float32; the graph is for its C, H and W, and for any N.
    Raises:
        Unsupported: the model uses an operator there is no operation for; names operator and place.
    """
    return graph_of_program(torch.export.export(model.eval(), (example,)))


def graph_of_program(program: ExportedProgram) -> Graph:
    """As `graph_of`, from an exported program with one input picture."""
    return fold(_Translation(program).graph())


_ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "silu": Activation.SILU,
    "sigmoid": Activation.SIGMOID,
    "hardswish": Activation.HARDSWISH,
    "hardsigmoid": Activation.HARDSIGMOID,
    "mish": Activation.MISH,
}
_NO_OPERATION = {"dropout", "feature_dropout", "alias", "contiguous", "clone", "detach_"}


class _Translation:
    """One program on its way to layers."""

    def __init__(self, program: ExportedProgram) -> None:
        self._nodes = list(program.graph.nodes)
        signature = program.graph_signature
        stored = {**program.state_dict, **program.constants}
        sources = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        sources |= signature.inputs_to_lifted_tensor_constants
        self._weight_names = sources
        self._weights: dict[str, Tensor] = {node: stored[name].detach() for node, name in sources.items()}
        self._layers: dict[str, Layer] = {}
        self._values: dict[Node, str] = {}
        self._input_shape: tuple[int, ...] = ()

    def graph(self) -> Graph:
        outputs: tuple[str, ...] = ()
        for node in self._nodes:
            if node.op == "placeholder" and node.name not in self._weights:
                self._values[node] = INPUT
                self._input_shape = _shape(node)[1:]
            elif node.op == "call_function":
                self._translate(node)
            elif node.op == "output":
                outputs = tuple(self._values[value] for value in node.args[0])
        C, H, W = self._input_shape
        return Graph((C, H, W), tuple(self._layers.values()), outputs)

    def _translate(self, node: Node) -> None:
        name = _operator(node)
        if name in _NO_OPERATION:
            self._values[node] = self._values[_node(node.args[0])]
            return
        handler = _HANDLERS.get(name)
        if handler is None:
            raise Unsupported(f"no operation for torch's {name!r}, at {node.name!r} in the exported program")
        operation, inputs = handler(self, node)
        if operation is None:
            self._values[node] = self._values[inputs[0]]
            return
        layer = Layer(self._layer_name(node), operation, tuple(self._values[value] for value in inputs))
        self._layers[layer.name] = layer
        self._values[node] = layer.name

    def weight(self, argument: Any) -> Tensor:
        return self._weights[_node(argument).name]

    def _layer_name(self, node: Node) -> str:
        """The module's path where the operator has weights, else the program's own name."""
        weights = [arg.name for arg in node.args if isinstance(arg, Node) and arg.name in self._weights]
        name = self._weight_names[weights[0]].rpartition(".")[0] if weights else node.name
        name = name or node.name
        unique, count = name, 1
        while unique in self._layers:
            count += 1
            unique = f"{name}_{count}"
        return unique


Handler = Callable[[_Translation, Node], tuple[Operation | None, list[Node]]]
"""-> the operation (None: nothing to do) and the nodes it reads."""


def _conv2d(t: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, weight, bias, stride, padding, dilation, groups = _arguments(node, (None, None, None, 1, 0, 1, 1))
    w = t.weight(weight)
    if isinstance(padding, str):
        raise Unsupported(f"{node.name!r} pads by name ({padding!r}); give numbers")
    b = t.weight(bias) if bias is not None else torch.zeros(w.shape[0])
    return Conv2d(w, b, _pair(stride), _pair(padding), _pair(dilation), groups), [x]


def _linear(t: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, weight, bias = _arguments(node, (None, None, None))
    w = t.weight(weight)
    return Linear(w, t.weight(bias) if bias is not None else torch.zeros(w.shape[0])), [x]


def _batch_norm(t: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, weight, bias, mean, variance, _, _, eps = _arguments(node, (None,) * 8)
    deviation = (t.weight(variance).double() + eps).sqrt()
    gain = t.weight(weight).double() if weight is not None else torch.ones_like(deviation)
    offset = t.weight(bias).double() if bias is not None else torch.zeros_like(deviation)
    scale = gain / deviation
    return BatchNorm(scale.float(), (offset - t.weight(mean).double() * scale).float()), [x]


def _activation(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    return Activate(_ACTIVATIONS[_operator(node)]), [_node(node.args[0])]


def _hardtanh(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, low, high = _arguments(node, (None, -1.0, 1.0))
    if (low, high) != (0, 6):
        raise Unsupported(f"{node.name!r} clips to [{low}, {high}]; only [0, 6] is supported")
    return Activate(Activation.RELU6), [x]


def _leaky_relu(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, slope = _arguments(node, (None, 0.01))
    if slope != LEAKY_SLOPE:
        raise Unsupported(f"{node.name!r} has the slope {slope}; only {LEAKY_SLOPE} is supported")
    return Activate(Activation.LEAKY), [x]


def _gelu(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    if node.kwargs.get("approximate", "none") != "none":
        raise Unsupported(f"{node.name!r} approximates gelu; only the exact one is supported")
    return Activate(Activation.GELU), [_node(node.args[0])]


def _max_pool(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, kernel, stride, padding, dilation = _arguments(node, (None, None, None, 0, 1))
    if _pair(dilation) != (1, 1):
        raise Unsupported(f"{node.name!r} pools with dilation")
    kernel, stride = _pair(kernel), _pair(stride or kernel)
    return MaxPool(kernel, stride, _pool_padding(node, x, kernel, stride, _pair(padding))), [x]


def _avg_pool(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, kernel, stride, padding, ceil, include, divisor = _arguments(node, (None, None, None, 0, False, True, None))
    if divisor is not None or (ceil and include):
        raise Unsupported(f"{node.name!r} averages with a divisor of its own or rounds its size up")
    kernel, stride = _pair(kernel), _pair(stride or kernel)
    return AvgPool(kernel, stride, _pool_padding(node, x, kernel, stride, _pair(padding)), include), [x]


def _adaptive_avg_pool(_: _Translation, node: Node) -> tuple[Operation | None, list[Node]]:
    x = _node(node.args[0])
    (H, W), (out_h, out_w) = _shape(x)[2:], _shape(node)[2:]
    if (out_h, out_w) == (H, W):
        return None, [x]
    if (out_h, out_w) == (1, 1):
        return GlobalAvgPool(), [x]
    if H % out_h or W % out_w:
        raise Unsupported(f"{node.name!r} averages {H}x{W} to {out_h}x{out_w}, which does not divide")
    kernel = (H // out_h, W // out_w)
    return AvgPool(kernel, kernel), [x]


def _mean(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, axes, keep = _arguments(node, (None, None, False))
    if sorted(axis % 4 for axis in axes) != [2, 3] or not keep:
        raise Unsupported(f"{node.name!r}: only a mean over height and width that keeps the axes is supported")
    return GlobalAvgPool(), [x]


def _add(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    a, b = node.args[:2]
    if not (isinstance(a, Node) and isinstance(b, Node)) or node.kwargs.get("alpha", 1) != 1 or _shape(a) != _shape(b):
        raise Unsupported(f"{node.name!r}: only the sum of two values of one shape is supported")
    return Add(), [a, b]


def _mul(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    a, b = node.args[:2]
    if not (isinstance(a, Node) and isinstance(b, Node)):
        raise Unsupported(f"{node.name!r}: only the product of two values is supported")
    wide, narrow = (a, b) if _shape(a)[2:] != (1, 1) else (b, a)
    return Mul(), [wide, narrow]


def _concat(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    parts, axis = _arguments(node, (None, 0))
    if axis % len(_shape(node)) != 1:
        raise Unsupported(f"{node.name!r} joins along axis {axis}; only channels are supported")
    return Concat(), [_node(part) for part in parts]


def _flatten(_: _Translation, node: Node) -> tuple[Operation | None, list[Node]]:
    x = _node(node.args[0])
    before, after = _shape(x), _shape(node)
    if len(before) != 4 or len(after) != 2 or before[0] != after[0]:
        raise Unsupported(f"{node.name!r} reshapes {before} to {after}; only flattening to [N, C] is supported")
    return Flatten(), [x]


def _softmax(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    if _arguments(node, (None, -1))[1] % len(_shape(node)) != 1:
        raise Unsupported(f"{node.name!r}: only a softmax over the channels is supported")
    return Softmax(), [_node(node.args[0])]


def _pad(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x, padding, mode, value = _pad_arguments(node)
    if mode != "constant" or value or len(padding) > 4:
        raise Unsupported(f"{node.name!r}: only zeros around height and width are supported")
    left, right, top, bottom = (*padding, 0, 0, 0, 0)[:4]
    return Pad((left, right, top, bottom)), [x]


def _slice(_: _Translation, node: Node) -> tuple[Operation | None, list[Node]]:
    x, axis, start, stop, step = _arguments(node, (None, 0, None, None, 1))
    shape = _shape(x)
    size = shape[axis]
    first, last, _step = slice(start, stop).indices(size)
    if (first, last, step) == (0, size, 1):
        return None, [x]
    if step != 1 or len(shape) != 4 or axis % 4 == 0:
        raise Unsupported(f"{node.name!r}: only slices of channels, height or width in steps of one are supported")
    if axis % 4 == 1:
        return Slice(first, last), [x]
    cut = (-first, last - size)
    return Pad((0, 0, *cut) if axis % 4 == 2 else (*cut, 0, 0)), [x]


def _upsample(_: _Translation, node: Node) -> tuple[Operation, list[Node]]:
    x = _node(node.args[0])
    (H, W), (out_h, out_w) = _shape(x)[2:], _shape(node)[2:]
    if out_h % H or out_h // H * W != out_w:
        raise Unsupported(f"{node.name!r} enlarges {H}x{W} to {out_h}x{out_w}; only whole factors are supported")
    return Upsample(out_h // H), [x]


_HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(_ACTIVATIONS, _activation),
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive_avg_pool,
    "mean": _mean,
    "add": _add,
    "mul": _mul,
    "cat": _concat,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "softmax": _softmax,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "upsample_nearest2d": _upsample,
}


def _operator(node: Node) -> str:
    """torch's name without overload and without the underscore of its in-place form, which export has made harmless."""
    name: str = getattr(node.target, "_opname", str(node.target))
    return name if name.startswith("_") or not name.endswith("_") else name[:-1]


def _arguments(node: Node, defaults: Sequence[Any]) -> list[Any]:
    """The node's first positional arguments, by keyword where given so, filled up with the defaults."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    given = dict(zip((argument.name for argument in schema), node.args, strict=False)) | node.kwargs
    return [given.get(argument.name, default) for argument, default in zip(schema, defaults, strict=False)]


def _pad_arguments(node: Node) -> tuple[Node, list[int], str, float]:
    if _operator(node) == "pad":
        x, padding, mode, value = _arguments(node, (None, None, "constant", None))
        return x, padding, mode, value or 0.0
    x, padding, value = _arguments(node, (None, None, 0.0))
    return x, padding, "constant", value


def _pool_padding(node: Node, x: Any, kernel: Any, stride: Any, padding: tuple[int, int]) -> Padding:
    """Symmetric padding, and more at the far end where torch rounds the output's size up."""
    sizes = zip(_shape(x)[2:], _shape(node)[2:], kernel, stride, padding, strict=True)
    (top, bottom), (left, right) = (
        (before, before + max(0, (out - 1) * step + window - size - 2 * before))
        for size, out, window, step, before in sizes
    )
    return left, right, top, bottom


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in node.meta["val"].shape)


def _node(argument: Any) -> Node:
    if not isinstance(argument, Node):
        raise Unsupported(f"expected a value in the exported program, found {argument!r}")
    return argument
