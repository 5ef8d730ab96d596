"""A graph as JSON and tensors, and back."""

import hashlib
from dataclasses import MISSING, fields
from typing import Any, get_args

import torch
from torch import Tensor

from quant import operations
from quant.activation import Activation
from quant.errors import QuantError
from quant.graph import Graph, Layer
from services.edge.errors import InvalidWeights

_OPERATIONS: dict[str, type[operations.Operation]] = {kind.__name__: kind for kind in get_args(operations.Operation)}


def encode_graph(graph: Graph) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What JSON can hold, and the tensors as `layer:field`."""
    tensors: dict[str, Tensor] = {}
    layers = []
    for layer in graph.layers:
        parameters = {}
        for part in fields(layer.operation):
            value = getattr(layer.operation, part.name)
            if isinstance(value, Tensor):
                tensors[f"{layer.name}:{part.name}"] = value
            else:
                parameters[part.name] = value
        kind = type(layer.operation).__name__
        layers.append({"name": layer.name, "operation": kind, "inputs": layer.inputs, "parameters": parameters})
    return {"input_shape": graph.input_shape, "outputs": graph.outputs, "layers": layers}, tensors


def decode_graph(content: Any, tensors: dict[str, Tensor]) -> Graph:
    """The graph again.

    Raises:
        InvalidWeights: the content is not a graph, or a tensor is missing.
    """
    try:
        layers = tuple(_decode_layer(entry, tensors) for entry in content["layers"])
        return Graph(_tuples(content["input_shape"]), layers, _tuples(content["outputs"]))
    except (KeyError, TypeError, ValueError, AttributeError, QuantError) as error:
        raise InvalidWeights(f"the file holds no graph this build can run: {error}") from error


def digest_of_graph(graph: Graph) -> str:
    """SHA-256 over the graph and its float weights: integer files name the model they were made from by it."""
    content, tensors = encode_graph(graph)
    hashed = hashlib.sha256(repr(content).encode())
    for name in sorted(tensors):
        flat = tensors[name].detach().contiguous().reshape(-1).view(torch.uint8)
        hashed.update(name.encode())
        hashed.update(flat.numpy().data)
    return hashed.hexdigest()


def _decode_layer(entry: Any, tensors: dict[str, Tensor]) -> Layer:
    kind = _OPERATIONS[entry["operation"]]
    parameters: dict[str, Any] = {}
    for part in fields(kind):
        stored = entry["parameters"].get(part.name)
        if part.name == "activation":
            parameters[part.name] = Activation(stored)
        elif part.name in entry["parameters"]:
            parameters[part.name] = _tuples(stored)
        elif part.default is MISSING:
            parameters[part.name] = tensors[f"{entry['name']}:{part.name}"]
    return Layer(entry["name"], kind(**parameters), _tuples(entry["inputs"]))


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
