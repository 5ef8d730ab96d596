"""`.strata`: a model's graph with its float weights."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from services.edge.errors import DamagedFile
from services.workbench.graph_codec import decode_graph, encode_graph
from services.workbench.model import Model
from services.workbench.tensor_file import check_place, encode_tensor_file, read_tensor_file, write_files
from services.zoo.manifest import InputSpec

KIND = "strata-model"
SUFFIX = ".strata"


def check_model_place(path: Path) -> None:
    """Raises InvalidInput where no model can be written, or where it would take a file of another kind's place."""
    check_place(path, "a model's file", SUFFIX)


def write_model(path: Path, model: Model) -> None:
    """Write the whole file or nothing. Raises InvalidInput where it cannot be written."""
    write_files({path: encode_model(model)})


def encode_model(model: Model) -> bytes:
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


def read_model(path: Path) -> Model:
    """Read a model.

    Raises:
        ArtifactNotFound, ForeignFile, OtherVersion, DamagedFile: see `read_tensor_file`.
        InvalidWeights: a graph this build cannot run.
    """
    file = read_tensor_file(path, KIND)
    graph = decode_graph(file.content.get("graph"), dict(file.tensors))
    try:
        content, spec = file.content, file.content["input_spec"]
        labels, weights, trained = tuple(content["labels"]), str(content["weights"]), bool(content["trained"])
        return Model(str(content["name"]), graph, labels, _input_spec(spec) if spec else None, weights, trained)
    except (KeyError, TypeError) as error:
        raise DamagedFile(f"{path}: the header lacks {error}") from error


def _input_spec(spec: dict[str, Any]) -> InputSpec:
    fields: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()}
    return InputSpec(**fields)
