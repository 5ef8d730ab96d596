"""What one layer of a prepared model is."""

from dataclasses import dataclass

from torch import Tensor

from quant.affine import QParams
from quant.engine import Engine
from quant.precision import Precision


@dataclass(frozen=True)
class LayerInfo:
    """`shape` is without N; `qparams` is None where the value is float32; `parameters` counts weights and biases."""

    index: int
    layer: str
    operation: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    precision: Precision
    qparams: QParams | None
    parameters: int


def describe_layer(engine: Engine, name: str) -> LayerInfo:
    """What a layer of an engine is. Raises LayerNotFound."""
    graph = engine.graph
    layer = graph.layer(name)
    tensors = [part for part in vars(layer.operation).values() if isinstance(part, Tensor)]
    return LayerInfo(
        graph.index(name),
        name,
        type(layer.operation).__name__,
        layer.inputs,
        graph.shapes[name],
        engine.plan[name],
        engine.formats[name],
        sum(tensor.numel() for tensor in tensors),
    )
