"""A model - its graph with its float weights - as the bytes of a `.strata` file, and back."""

from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from quant.graph import Graph
from services.edge.errors import DamagedFile
from services.workbench.engine_model import EngineModel
from services.workbench.graph_check import check_runs
from services.zoo.graph_codec import check_text, decode_graph, encode_graph
from services.zoo.manifest import PICTURE, SOUND, InputSpec
from services.zoo.tensor_codec import decode_tensor_file, encode_tensor_file

KIND = "strata-model"
_INPUT_SPEC = TypeAdapter(InputSpec)
_KINDS = {(PICTURE, "cut"), (PICTURE, "letterbox"), (SOUND, "cut")}
_INTERPOLATIONS = {"nearest", "bilinear", "bicubic"}


def encode_model(model: EngineModel) -> bytes:
    """The whole file as bytes."""
    graph, tensors = encode_graph(model.graph)
    return encode_tensor_file(KIND, {**header_of(model), "graph": graph}, tensors)


def header_of(model: EngineModel) -> dict[str, Any]:
    """All but the graph, as JSON can hold it."""
    return {
        "name": model.name,
        "labels": model.labels,
        "input_spec": asdict(model.input_spec) if model.input_spec else None,
        "weights": model.weights,
        "trained": model.trained,
    }


def decode_model(data: bytes, source: str = "the model") -> EngineModel:
    """The model again.

    Args:
        source: where the bytes come from, for errors.
    Raises:
        ForeignFile, OtherVersion, DamagedFile: see `decode_tensor_file`.
        InvalidWeights: a graph this build cannot run.
    """
    file = decode_tensor_file(data, KIND, source)
    content = file.content
    if not isinstance(content, dict):
        raise DamagedFile(f"{source}: its header is no object")
    graph = decode_graph(content.get("graph"), dict(file.tensors))
    check_runs(graph)
    return model_of(content, graph, source)


def model_of(header: Any, graph: Graph, source: str) -> EngineModel:
    """The model of a graph and of what `header_of` gave.

    Args:
        source: where the header comes from, for errors.
    Raises:
        DamagedFile: it is not whole, or not for this graph.
    """
    try:
        name, weights, trained = check_text(header["name"]), check_text(header["weights"]), bool(header["trained"])
        labels, stored = tuple(map(check_text, header["labels"])), header["input_spec"]
        spec = _input_spec(stored, graph.input_shape) if stored else None
        return EngineModel(name, graph, labels, spec, weights, trained)
    except KeyError as error:
        raise DamagedFile(f"{source}: the header lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise DamagedFile(f"{source}: a broken header: {error}") from error


def _input_spec(stored: dict[str, Any], shape: tuple[int, int, int]) -> InputSpec:
    """How pictures are made ready. Raises TypeError and ValueError: not as that is said, or not for this graph."""
    listed = {key: tuple(value) if isinstance(value, list) else value for key, value in dict(stored).items()}
    try:
        spec = _INPUT_SPEC.validate_python(listed)
    except ValidationError:
        raise ValueError(f"input_spec cannot be {str(stored)[:200]}") from None
    if spec.size != shape[1:] or spec.resize < 1 or min(spec.std) <= 0:
        raise ValueError(f"pictures made ready as {spec} do not suit a graph that takes {shape}")
    if (spec.kind, spec.fit) not in _KINDS or spec.interpolation not in _INTERPOLATIONS:
        raise ValueError(f"no picture can be made ready as {spec}")
    return spec
