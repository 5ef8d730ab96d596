"""A model - its graph with its float weights - as the bytes of a `.strata` file, and back."""

from dataclasses import asdict
from typing import Any

from services.edge.errors import DamagedFile
from services.workbench.engine_model import EngineModel
from services.zoo.graph_codec import decode_graph, encode_graph
from services.zoo.manifest import InputSpec
from services.zoo.tensor_codec import decode_tensor_file, encode_tensor_file

KIND = "strata-model"


def encode_model(model: EngineModel) -> bytes:
    """The whole file as bytes."""
    graph, tensors = encode_graph(model.graph)
    content = {
        "name": model.name,
        "labels": model.labels,
        "input_spec": asdict(model.input_spec) if model.input_spec else None,
        "weights": model.weights,
        "trained": model.trained,
        "graph": graph,
    }
    return encode_tensor_file(KIND, content, tensors)


def decode_model(data: bytes, source: str = "the model") -> EngineModel:
    """The model again.

    Args:
        source: where the bytes come from, for errors.
    Raises:
        ForeignFile, OtherVersion, DamagedFile: see `decode_tensor_file`.
        InvalidWeights: a graph this build cannot run.
    """
    file = decode_tensor_file(data, KIND, source)
    graph = decode_graph(file.content.get("graph"), dict(file.tensors))
    try:
        content, spec = file.content, file.content["input_spec"]
        labels, weights, trained = tuple(content["labels"]), str(content["weights"]), bool(content["trained"])
        return EngineModel(str(content["name"]), graph, labels, _input_spec(spec) if spec else None, weights, trained)
    except (KeyError, TypeError) as error:
        raise DamagedFile(f"{source}: the header lacks {error}") from error


def _input_spec(spec: dict[str, Any]) -> InputSpec:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()}
    return InputSpec(**fields)
