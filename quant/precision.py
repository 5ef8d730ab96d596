"""How each layer of a graph runs."""

from collections.abc import Mapping
from enum import StrEnum

from quant.activation import Activation
from quant.graph import Graph, Layer
from quant.operations import (
    Activate,
    Concat,
    Conv2d,
    Flatten,
    Linear,
    MaxPool,
    Mul,
    Operation,
    Pad,
    Region,
    Reorg,
    Slice,
    Softmax,
    Upsample,
    Yolo,
)


class Precision(StrEnum):
    """How one layer runs.

    FLOAT: float32. HYBRID: an integer kernel between float32 values. INT8: codes in, codes out; float32 out where only
    float layers and the caller read the value.
    """

    FLOAT = "float"
    HYBRID = "hybrid"
    INT8 = "int8"


class Mode(StrEnum):
    """How a whole graph runs; AUTO takes a plan that was chosen by measurement."""

    FLOAT = "float"
    HYBRID = "hybrid"
    INT8 = "int8"
    AUTO = "auto"


Plan = Mapping[str, Precision]
"""Of each layer, by name, its precision; layers left out run in float."""


def supports(operation: Operation, precision: Precision) -> bool:
    """Is there such a kernel? Softmax and detection heads have float only; HYBRID is for weighted layers."""
    match precision:
        case Precision.FLOAT:
            return True
        case Precision.HYBRID:
            return isinstance(operation, Conv2d | Linear)
        case Precision.INT8:
            return not isinstance(operation, Softmax | Yolo | Region)


def takes_codes(operation: Operation, position: int) -> bool:
    """Does an INT8 layer read its input number `position` as codes? A product's factor stays float32."""
    return not (isinstance(operation, Mul) and position == 1)


def keeps_codes(operation: Operation) -> bool:
    """Input and output share one meaning of codes: a finer one for the output could not bring back what is lost."""
    if isinstance(operation, Activate):
        return operation.activation is Activation.RELU
    return isinstance(operation, Concat | MaxPool | Slice | Upsample | Reorg | Pad | Flatten)


def uniform_plan(graph: Graph, mode: Mode) -> dict[str, Precision]:
    """The plan of a mode other than AUTO: its precision wherever there is a kernel for it.

    INT8 leaves two things in float: softmax and detection heads, and what works on a single pixel (squeeze-excite),
    whose integer call costs several times its arithmetic.
    """
    precision = Precision(mode.value)
    plan = {
        layer.name: precision if supports(layer.operation, precision) else Precision.FLOAT for layer in graph.layers
    }
    if precision is Precision.INT8:
        for layer in graph.layers:
            if _on_a_single_pixel(graph, layer):
                plan[layer.name] = Precision.FLOAT
    return plan


def supported_plan(graph: Graph, plan: Plan) -> dict[str, Precision]:
    """Of every layer what it runs in under a plan: float where the plan has nothing for it, or there is no kernel."""
    asked = {layer.name: plan.get(layer.name, Precision.FLOAT) for layer in graph.layers}
    return {
        layer.name: asked[layer.name] if supports(layer.operation, asked[layer.name]) else Precision.FLOAT
        for layer in graph.layers
    }


def _on_a_single_pixel(graph: Graph, layer: Layer) -> bool:
    if len(graph.shapes[layer.name]) != 3 or isinstance(layer.operation, Linear):
        return False
    source = graph.shapes[layer.inputs[0]]
    return len(source) == 3 and source[1:] == (1, 1)
