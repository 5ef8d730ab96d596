"""OIP over HTTP <-> requests and answers: JSON, and the binary tensor extension.

With the extension the body is JSON, then the raw tensors in the order the JSON names them; the header
`Inference-Header-Content-Length` says where the JSON ends. An element of a BYTES tensor inside JSON is base64, as in
protobuf's JSON mapping, so that a picture can be sent without the extension.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import DtypeMismatch, InvalidInput, ShapeMismatch
from services.model.domain import InferAnswer, InferRequest, Metadata
from services.model.tensors import BYTES, DTYPES, Tensor, check_nesting

HEADER_LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class BinaryOutputs:
    """Which outputs the caller wants raw: those named, or all that `default` says."""

    default: bool
    named: Mapping[str, bool]

    def wants(self, name: str) -> bool:
        """Answer for one output."""
        return self.named.get(name, self.default)


def request_from_body(
    model: str, version: str, body: bytes, header_length: str | None
) -> tuple[InferRequest, BinaryOutputs]:
    """Read a request's body.

    Raises:
        InvalidInput: not JSON, a field is missing or of the wrong type, or the lengths do not add up.
        DtypeMismatch, ShapeMismatch: a malformed tensor.
    """
    json_bytes, raw = _parts(body, header_length)
    try:
        parsed = json.loads(json_bytes, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the body is not JSON: {error}") from error
    fields = _object(parsed, "the body")
    inputs = []
    for n, given in enumerate(_list(fields, "inputs", "the body")):
        tensor, raw = _tensor(_object(given, f"inputs[{n}]"), f"inputs[{n}]", raw)
        inputs.append(tensor)
    if raw:
        raise InvalidInput(f"{len(raw)} bytes left over after the last input; check each binary_data_size")
    outputs = [_object(each, f"outputs[{n}]") for n, each in enumerate(_list(fields, "outputs", "the body", []))]
    names = [_text(each, "name", f"outputs[{n}]") for n, each in enumerate(outputs)]
    binary = {
        name: _flag(_parameters(each), "binary_data", f"output '{name}'")
        for name, each in zip(names, outputs, strict=True)
        if "binary_data" in _parameters(each)
    }
    identity = _text(fields, "id", "the body", "")
    wanted = BinaryOutputs(_flag(_parameters(fields), "binary_data_output", "the body"), binary)
    return InferRequest(model, version, identity, tuple(inputs), tuple(names)), wanted


def body_from_answer(answer: InferAnswer, binary: BinaryOutputs) -> tuple[bytes, int | None]:
    """Write an answer's body; the second value is the JSON's length where raw tensors follow it."""
    raw: list[bytes] = []
    outputs = []
    for tensor in answer.outputs:
        given: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        if binary.wants(tensor.name):
            raw.append(tensor.to_raw())
            given["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            given["data"] = np.asarray(tensor.values).ravel().tolist()
        outputs.append(given)
    fields = {
        "model_name": answer.model,
        "model_version": answer.version,
        "id": answer.id,
        "parameters": asdict(answer.cost),
        "outputs": outputs,
    }
    header = json.dumps(fields).encode()
    return (header + b"".join(raw), len(header)) if raw else (header, None)


def metadata_to_json(metadata: Metadata) -> dict[str, Any]:
    """Write the answer of `GET /v2/models/{name}`."""
    fields = asdict(metadata)
    return {"name": fields.pop("name"), "versions": [fields.pop("version")], **fields}


def _parts(body: bytes, header_length: str | None) -> tuple[bytes, memoryview]:
    if header_length is None:
        return body, memoryview(b"")
    if not header_length.isdecimal() or len(header_length) > 18 or int(header_length) > len(body):
        raise InvalidInput(f"{HEADER_LENGTH} is '{header_length}', but the body has {len(body)} bytes")
    return body[: int(header_length)], memoryview(body)[int(header_length) :]


def _tensor(given: Mapping[str, Any], place: str, raw: memoryview) -> tuple[Tensor, memoryview]:
    """Read one input and return what is left of the raw bytes."""
    name, datatype = _text(given, "name", place), _text(given, "datatype", place)
    shape = _list(given, "shape", place)
    if not all(isinstance(length, int) and not isinstance(length, bool) for length in shape):
        raise ShapeMismatch(f"{place}.shape is {shape}; it lists whole numbers")
    size_bytes = _parameters(given).get("binary_data_size")
    if size_bytes is not None:
        if given.get("data") is not None:
            raise InvalidInput(f"{place}: given twice, as 'data' and by binary_data_size; send it once")
        if not isinstance(size_bytes, int) or isinstance(size_bytes, bool) or not 0 <= size_bytes <= len(raw):
            raise InvalidInput(f"{place}: binary_data_size is {size_bytes}, but {len(raw)} bytes are left in the body")
        return Tensor.from_raw(name, datatype, shape, raw[:size_bytes]), raw[size_bytes:]
    data = _list(given, "data", place)
    check_nesting(name, data, shape)
    if datatype == BYTES:
        return Tensor.from_elements(name, shape, [_decoded(element, place) for element in _flat(data)]), raw
    return Tensor.from_numbers(name, datatype, shape, _numbers(data, datatype, place)), raw


def _numbers(data: list[Any], datatype: str, place: str) -> NDArray[Any]:
    """Data as an array of numbers; what only looks like one, such as true or text among them, is refused.

    Raises:
        DtypeMismatch: not numbers, or not whole ones where the datatype has only those.
    """
    wanted = {"B": "b", "U": "iu", "I": "iu", "F": "iuf"}[datatype[0]] if datatype in DTYPES else "biuf"
    allowed = {bool} if wanted == "b" else {int, float}
    if others := {type(element).__name__ for element in _flat(data) if type(element) not in allowed}:
        raise DtypeMismatch(f"{place}.data holds {', '.join(sorted(others))}, which is not {datatype}")
    values = np.asarray(data) if data else np.zeros(0, DTYPES.get(datatype))
    if values.dtype.kind not in wanted and values.dtype.kind != "O":
        raise DtypeMismatch(f"{place}.data holds {values.dtype.name}, which is not {datatype}")
    return values


def _decoded(element: object, place: str) -> bytes:
    try:
        return base64.b64decode(element, validate=True)  # type: ignore[arg-type]
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidInput(f"{place}.data: an element of {BYTES} in JSON is base64: {error}") from error


def _flat(data: Sequence[Any]) -> list[Any]:
    flat = list(data)
    while any(isinstance(each, list) for each in flat):
        flat = [each for element in flat for each in (element if isinstance(element, list) else [element])]
    return flat


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of two values under one name none is taken."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"'{twice}' is given twice in one object")
    return fields


def _flag(parameters: Mapping[str, Any], name: str, place: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{place}: {name} is {value!r}; it is true or false")
    return value


def _parameters(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return _object(given.get("parameters") or {}, "parameters")


def _object(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput(f"{place} is {type(value).__name__}; it is a JSON object")
    return value


def _list(fields: Mapping[str, Any], name: str, place: str, default: list[Any] | None = None) -> list[Any]:
    value = fields.get(name)
    value = default if value is None else value
    if not isinstance(value, list):
        raise InvalidInput(f"{place}: '{name}' is missing or not a list")
    return value


def _text(fields: Mapping[str, Any], name: str, place: str, default: str | None = None) -> str:
    value = fields.get(name)
    value = default if value is None else value
    if not isinstance(value, str):
        raise InvalidInput(f"{place}: '{name}' is missing or not a string")
    return value
