"""What an exported ONNX program says of its model beside its graph: all that a `.strata` file does."""

import json
from pathlib import Path

import onnx
from onnx import helper

from quant.graph import Graph
from services.edge.errors import DamagedFile
from services.workbench.engine_model import EngineModel
from services.workbench.model_codec import header_of, model_of
from services.zoo.from_onnx.heads import HEADS, encode_heads

MODEL = "strata.model"
"""In a program's metadata: labels, how pictures are made ready, and whether its weights were trained, as JSON."""


def describe(program: onnx.ModelProto, model: EngineModel) -> None:
    """Write the model's heads and its other properties into the program's metadata."""
    helper.set_model_props(program, {HEADS: encode_heads(model.graph), MODEL: json.dumps(header_of(model))})


def described_model(program: onnx.ModelProto, graph: Graph, path: Path) -> EngineModel | None:
    """The model of a program that `describe` wrote into, named as its file is; None of any other.

    Raises:
        DamagedFile: what stands there is not whole, or not for this graph.
    """
    written = next((each.value for each in program.metadata_props if each.key == MODEL), None)
    if written is None:
        return None
    source = f"{path}: {MODEL} of its metadata"
    try:
        header = {**json.loads(written), "name": path.stem, "weights": path.name}
    except (TypeError, ValueError, RecursionError) as error:
        raise DamagedFile(f"{source} is no JSON object: {error}; export the model anew") from error
    return model_of(header, graph, source)
