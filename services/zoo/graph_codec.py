"""A graph as JSON and tensors, and back."""

import hashlib
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, get_args, get_type_hints

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from quant import operations
from quant.activation import Activation
from quant.errors import QuantError
from quant.graph import Graph, Layer
from services.edge.errors import InvalidWeights

_OPERATIONS: dict[str, type[operations.Operation]] = {kind.__name__: kind for kind in get_args(operations.Operation)}
_INPUT_SHAPE = TypeAdapter(tuple[int, int, int])
_LONGEST_TEXT = 1000


def encode_graph(graph: Graph) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What JSON can hold, and the tensors as `layer:field`."""
    tensors: dict[str, Tensor] = {}
    layers = []
    for layer in graph.layers:
        entry, weights = encode_layer(layer)
        layers.append(entry)
        tensors |= weights
    return {"input_shape": graph.input_shape, "outputs": graph.outputs, "layers": layers}, tensors


def encode_layer(layer: Layer) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """As `encode_graph`, one layer."""
    tensors, parameters = dict[str, Tensor](), dict[str, Any]()
    for part in fields(layer.operation):
        value = getattr(layer.operation, part.name)
        if isinstance(value, Tensor):
            tensors[f"{layer.name}:{part.name}"] = value
        else:
            parameters[part.name] = value
    kind = type(layer.operation).__name__
    return {"name": layer.name, "operation": kind, "inputs": layer.inputs, "parameters": parameters}, tensors


def decode_graph(content: Any, tensors: dict[str, Tensor]) -> Graph:
    """The graph again.

    Raises:
        InvalidWeights: the content is not a graph, or a tensor is missing.
    """
    try:
        layers = tuple(decode_layer(entry, tensors) for entry in content["layers"])
        shape = _INPUT_SHAPE.validate_python(_tuples(content["input_shape"]), strict=True)
        return Graph(shape, layers, _tuples(content["outputs"]))
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, QuantError) as error:
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


def check_text(text: Any) -> str:
    """The text, if it is one that can be written as UTF-8. Raises ValueError."""
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ValueError(f"{str(text)[:40]!r} is no text of at most {_LONGEST_TEXT} characters")
    text.encode()
    return text


def decode_layer(entry: Any, tensors: dict[str, Tensor]) -> Layer:
    """One layer again. Raises LookupError, TypeError, ValueError or AttributeError: the entry is none."""
    name, kind = check_text(entry["name"]), _OPERATIONS[entry["operation"]]
    parameters: dict[str, Any] = {}
    for part in fields(kind):
        stored = entry["parameters"].get(part.name)
        if part.name == "activation":
            parameters[part.name] = Activation(stored)
        elif part.name in entry["parameters"]:
            parameters[part.name] = _tuples(stored)
            _check_type(name, kind, part.name, parameters[part.name])
        elif part.default is MISSING:
            parameters[part.name] = _float32(tensors[f"{name}:{part.name}"], f"{name}:{part.name}")
    return Layer(name, kind(**parameters), _tuples(entry["inputs"]))


def _float32(tensor: Tensor, name: str) -> Tensor:
    if tensor.dtype != torch.float32:
        raise ValueError(f"tensor {name!r} is {tensor.dtype}, expected float32")
    return tensor


def _check_type(layer: str, kind: Any, part: str, value: Any) -> None:
    """The value stays as it was written, which the digest is made from: 1 is not 1.0 there."""
    try:
        _type_of(kind, part).validate_python(value, strict=True)
    except ValidationError:
        raise ValueError(f"layer {layer!r}: {part} of {kind.__name__} cannot be {str(value)[:40]}") from None


@cache
def _type_of(kind: Any, part: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(kind)[part])


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
