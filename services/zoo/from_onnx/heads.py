"""Detection heads of an ONNX program: the program cut off where they begin, and the heads behind its graph.

A program ends in heads as Darknet leaves them, in whole boxes, or in feature maps in some other order; only what stands
before that is the same everywhere: the value of a head's last convolution.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import onnx
from onnx import TensorProto, helper

from quant.activation import Activation
from quant.folding import fold
from quant.graph import Graph, Layer
from quant.operations import Activate, Region, Yolo
from services.edge.errors import DamagedFile, InvalidDeclaration
from services.edge.suggestion import did_you_mean
from services.zoo.from_onnx.translation import Translation
from services.zoo.graph_codec import check_text, decode_layer, encode_layer

HEADS = "strata.heads"
"""In a program's metadata: its heads, as layers of JSON whose input is a value of the program."""


@dataclass(frozen=True)
class OnnxHead:
    """A detection head on a value of a program.

    Attributes:
        name: of its layer.
        value: float32 [N, A * (5 + K), H, W]; an output or any other.
        logistic: the logistic function of all of it is yet to come, where the head expects it before itself.
    """

    name: str
    value: str
    operation: Yolo | Region
    logistic: bool = False


def encode_heads(graph: Graph) -> str:
    """What `stored_heads` reads; of a graph without heads it is an empty list."""
    ends = [graph.layer(name) for name in graph.outputs]
    return json.dumps([encode_layer(each)[0] for each in ends if isinstance(each.operation, Yolo | Region)])


def stored_heads(program: onnx.ModelProto, file: str) -> tuple[OnnxHead, ...]:
    """The heads that `strata quant export` wrote into a program; none where it wrote none.

    Raises:
        DamagedFile: what stands there is no list of heads.
    """
    written = next((each.value for each in program.metadata_props if each.key == HEADS), "[]")
    try:
        return tuple(_head(decode_layer(entry, {})) for entry in json.loads(written))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise DamagedFile(f"{file}: {HEADS} of its metadata holds no heads: {error}; export the model anew") from error


def _head(layer: Layer) -> OnnxHead:
    (value,), operation = layer.inputs, layer.operation
    if not isinstance(operation, Yolo | Region) or operation.classes < 1:
        raise ValueError(f"{layer.name!r} is no head")
    return OnnxHead(layer.name, check_text(value), operation)


def cut_at(program: onnx.ModelProto, heads: Sequence[OnnxHead], file: str) -> onnx.ModelProto:
    """The program without what stands behind its heads' values, which are its outputs, each once.

    Raises:
        InvalidDeclaration: it has no value of that name.
    """
    made = {name: node for node in program.graph.node for name in node.output if name}
    for head in heads:
        if head.value not in made:
            hint = did_you_mean(head.value, made) or f"; its outputs are {_names(program.graph.output)}"
            raise InvalidDeclaration(f"{file}: no node gives the value '{head.value}'{hint}")
    values = list(dict.fromkeys(head.value for head in heads))
    kept, wanted = [], set(values)
    for node in reversed(program.graph.node):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    weights = {tensor.name for tensor in program.graph.initializer}
    graph = helper.make_graph(
        kept[::-1],
        program.graph.name,
        [each for each in program.graph.input if each.name in wanted or each.name not in weights],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, None) for value in values],
        [tensor for tensor in program.graph.initializer if tensor.name in wanted],
    )
    return helper.make_model(graph, opset_imports=program.opset_import, ir_version=program.ir_version)


def _names(values: Collection[onnx.ValueInfoProto]) -> str:
    return ", ".join(f"'{each.name}'" for each in values)


def check_heads(build: Translation, heads: Sequence[OnnxHead], file: str) -> None:
    """Raises InvalidDeclaration where a value is not what its head reads."""
    for head in heads:
        shape, anchors, classes = build.shape(head.value), len(head.operation.anchors), head.operation.classes
        if len(shape) != 3:
            raise InvalidDeclaration(
                f"{file}: the value '{head.value}' is [{', '.join(map(str, ('N', *shape)))}]; a head reads "
                "[N, A * (5 + K), H, W], as its last convolution gives it: name that one's value"
            )
        if shape[0] != anchors * (5 + classes):
            raise InvalidDeclaration(
                f"{file}: the value '{head.value}' has {shape[0]} channels; a head of {anchors} anchors and {classes} "
                f"classes reads {anchors} * (5 + {classes}) = {anchors * (5 + classes)}"
            )


def with_heads(graph: Graph, layer_of: Mapping[str, str], heads: Sequence[OnnxHead]) -> Graph:
    """The graph with its heads behind it, which are its outputs.

    Args:
        layer_of: of each head's value the layer that gives it.
    """
    layers, names = list(graph.layers), {layer.name for layer in graph.layers}

    def add(name: str, operation: Activate | Yolo | Region, source: str) -> str:
        while name in names:
            name = f"{name}_head"
        names.add(name)
        layers.append(Layer(name, operation, (source,)))
        return name

    outputs = []
    for head in heads:
        source = layer_of[head.value]
        if head.logistic:
            source = add(f"{head.name}_logistic", Activate(Activation.SIGMOID), source)
        outputs.append(add(head.name, head.operation, source))
    return fold(Graph(graph.input_shape, tuple(layers), tuple(outputs)))
