"""A user's own programs, read and held to what they must be: one float32 input [N, 3, H, W], and scores or heads."""

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Iterator

import numpy as np
import torch
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, ValueInfoProto, load_model_from_string, numpy_helper
from onnx.external_data_helper import uses_external_data
from torch import Tensor, nn
from torch.export import ExportedProgram

from services.edge.errors import InvalidDeclaration, InvalidWeights
from services.zoo.agreement import shaken
from services.zoo.quiet import quiet
from services.zoo.weight_references import FetchedWeights

_EXPECTED = "expected one float32 input [N, 3, H, W] and one float32 output, scores [N, K]"
_DETECTOR = "a detector's heads are declared in a model file, as `detection` (docs/models.md, Detectors)"
_MANY = 1 << 31
"""More pictures than one request holds: a program that is exported for so many takes any number."""
_OTHER_ARCHIVES = {
    "constants.pkl": "a TorchScript program; export the module with torch.export instead",
    "data.pkl": "a checkpoint of torch.save; build the module, load it, and export it with torch.export",
    ".so": "a package of AOTInductor; export the module with torch.export alone",
}


def load_program(weights: FetchedWeights) -> ExportedProgram:
    """Load a `.pt2` file.

    Raises:
        InvalidWeights: it is not a program of torch.export; says what it is instead, where that can be known.
        InvalidDeclaration: it takes or answers something else than float32 pictures and scores.
    """
    content, file_name = weights.stored, weights.reference
    if kind := _other_kind(content):
        raise InvalidWeights(f"{file_name}: not a program of torch.export but {kind}")
    with tempfile.NamedTemporaryFile(suffix=".pt2") as file:
        file.write(content)
        file.flush()
        try:
            with quiet():
                program = torch.export.load(file.name)
        except Exception as error:
            # torch.export.load names no errors of its own: a cut file ends in whatever it stumbled over.
            reason = str(error).partition("check the warnings")[0].strip()
            raise InvalidWeights(f"{file_name}: not a program of torch.export: {reason}") from error
    _check_program(program, file_name)
    return program


def read_onnx(weights: FetchedWeights) -> ModelProto:
    """Read an `.onnx` file.

    Raises:
        InvalidWeights: it is not a whole ONNX program.
        InvalidDeclaration: it takes something else than float32 pictures.
    """
    content, file_name = weights.stored, weights.reference
    try:
        program = load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise InvalidWeights(f"{file_name}: not a whole ONNX program: {error}") from error
    if not program.graph.node:
        raise InvalidWeights(f"{file_name}: not a whole ONNX program: it computes nothing")
    if any(uses_external_data(tensor) for tensor in program.graph.initializer):
        raise InvalidWeights(
            f"{file_name}: its weights lie in another file; write all into one, as torch.onnx.export does "
            'with external_data=False, or onnx.save(onnx.load("two.onnx"), "one.onnx")'
        )
    _check_pictures(program, file_name)
    return program


def check_scores(program: ModelProto, file: str) -> None:
    """Raises InvalidDeclaration where an ONNX program answers something else than scores, as a detector does."""
    values = list(program.graph.output)
    tensors = [each.type.tensor_type for each in values]
    maps = [side for tensor in tensors for side in tensor.shape.dim[2:] if side.dim_value != 1]
    if maps or [tensor.elem_type for tensor in tensors] != [TensorProto.FLOAT]:
        found = ", ".join(f"{_described_onnx(each)} ('{each.name}')" for each in values) or "nothing"
        raise InvalidDeclaration(f"{file}: answers {found}; {_EXPECTED}; {_DETECTOR}")


def shaken_onnx(program: ModelProto, random: np.random.Generator) -> bytes:
    """The program with each float32 weight moved to a neighbour."""
    moved = ModelProto()
    moved.CopyFrom(program)
    for tensor in moved.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(shaken(numpy_helper.to_array(tensor), random), tensor.name))
    content: bytes = moved.SerializeToString()
    return content


@contextlib.contextmanager
def shaken_weights(module: nn.Module, random: np.random.Generator) -> Iterator[None]:
    """Move each float32 weight of the module to a neighbour, and back at the end."""
    kept = [(each, each.detach().clone()) for each in (*module.parameters(), *module.buffers()) if _is_float32(each)]
    try:
        for tensor, before in kept:
            tensor.data.copy_(torch.from_numpy(shaken(before.numpy(), random)))
        yield
    finally:
        for tensor, before in kept:
            tensor.data.copy_(before)


def _is_float32(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32


def _other_kind(content: bytes) -> str | None:
    """What a zip archive that torch.export did not write is; None for one that it wrote, and for other files."""
    try:
        names = zipfile.ZipFile(io.BytesIO(content)).namelist()
    except zipfile.BadZipFile:
        return None
    if any(name.endswith(("archive_format", "serialized_exported_program.json")) for name in names):
        return _OTHER_ARCHIVES[".so"] if not any("/models/" in f"/{name}" for name in names) else None
    return next((kind for end, kind in _OTHER_ARCHIVES.items() if any(name.endswith(end) for name in names)), None)


def _check_program(program: ExportedProgram, file: str) -> None:
    nodes = {node.name: node for node in program.graph.nodes}
    signature = program.graph_signature
    ends = (signature.user_inputs, signature.user_outputs)
    for names in ends:
        values = [nodes[name].meta.get("val") if name in nodes else name for name in names]
        if len(values) != 1 or not isinstance(values[0], Tensor) or not _is_float32(values[0]):
            found = ", ".join(_described(value) for value in values)
            raise InvalidDeclaration(f"{file}: {'takes' if names is ends[0] else 'answers'} {found}; {_EXPECTED}")
    if not program.call_spec.out_spec.is_leaf():
        raise InvalidDeclaration(f"{file}: answers a list or dictionary; {_EXPECTED}")
    for sizes in program.range_constraints.values():
        if sizes.upper < _MANY:
            raise InvalidDeclaration(
                f"{file}: takes at most {sizes.upper} pictures at once; export it for any number, with "
                'dynamic_shapes=({0: torch.export.Dim("batch")},)'
            )


def _described(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"{value!r}"
    return f"{str(value.dtype).removeprefix('torch.')} [{', '.join(map(str, value.shape))}]"


def _check_pictures(program: ModelProto, file: str) -> None:
    weights_of = {tensor.name for tensor in program.graph.initializer}
    inputs = [each for each in program.graph.input if each.name not in weights_of]
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        found = ", ".join(map(_described_onnx, inputs)) or "nothing"
        raise InvalidDeclaration(f"{file}: takes {found}; {_EXPECTED}")


def _described_onnx(value: ValueInfoProto) -> str:
    tensor = value.type.tensor_type
    sizes = ", ".join(dim.dim_param or str(dim.dim_value) for dim in tensor.shape.dim)
    return f"{TensorProto.DataType.Name(tensor.elem_type).lower()} [{sizes}]"
