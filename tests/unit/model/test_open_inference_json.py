"""The protocol's HTTP bodies."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from services.edge.errors import InvalidInput, ShapeMismatch
from services.model.domain import Cost, InferAnswer
from services.model.open_inference_json import BinaryOutputs, body_from_answer, request_from_body
from services.model.tensors import Tensor

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
ANSWER = InferAnswer("m", "v", "7", (Tensor.of("scores", VALUES),), Cost(1.5, 0.25, 1000, True))


def body(**inputs: Any) -> bytes:
    return json.dumps({"inputs": [{"name": "image", "datatype": "FP32", "shape": [2, 3], **inputs}]}).encode()


def read(content: bytes, header_length: str | None = None) -> Tensor:
    request, _ = request_from_body("m", "", content, header_length)
    (tensor,) = request.inputs
    return tensor


@pytest.mark.parametrize("data", [VALUES.tolist(), VALUES.ravel().tolist()])
def test_json_data_may_be_nested_or_flat(data: list[Any]) -> None:
    np.testing.assert_array_equal(np.asarray(read(body(data=data)).values), VALUES)


def test_raw_tensors_follow_the_json_in_its_order() -> None:
    inputs = [
        {"name": name, "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": 8}} for name in ("a", "b")
    ]
    header = json.dumps({"inputs": inputs}).encode()
    request, _ = request_from_body("m", "", header + np.arange(4, dtype="<f4").tobytes(), str(len(header)))
    assert [np.asarray(each.values).tolist() for each in request.inputs] == [[0, 1], [2, 3]]


def test_a_picture_in_json_is_base64() -> None:
    data = [base64.b64encode(b"\xff\xd8").decode()]
    tensor = read(body(name="picture", datatype="BYTES", shape=[1], data=data))
    assert tensor.values == [b"\xff\xd8"]


@pytest.mark.parametrize(
    ("content", "header_length", "message"),
    [
        (b"{", None, "not JSON"),
        (b"[" * 100_000, None, "not JSON"),
        (b"[]", None, "the body is list"),
        (b"{}", None, "'inputs' is missing"),
        (b'{"inputs": [1]}', None, "inputs\\[0\\] is int"),
        (b'{"inputs": [{"name": 1}]}', None, "'name' is missing or no string"),
        (b'{"inputs": [], "id": 1}', None, "'id' is missing or no string"),
        (b'{"inputs": [], "parameters": [1]}', None, "parameters is list"),
        (b'{"inputs": []}', "99", "is '99', but the body has 14 bytes"),
        (b'{"inputs": []}', "-1", "is '-1'"),
        (b'{"inputs": []}', "9" * 5000, "is '9999"),
        (b'{"inputs": []}xx', "14", "2 bytes left over"),
        (body(data=1), None, "'data' is missing or no list"),
        (body(parameters={"binary_data_size": 24}), None, "binary_data_size is 24, but 0 bytes are left"),
        (body(name="picture", datatype="BYTES", shape=[1], data=["§"]), None, "is base64"),
        (body(name="picture", datatype="BYTES", shape=[1], data=[1]), None, "is base64"),
    ],
)
def test_a_fault_in_the_body_is_named(content: bytes, header_length: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        request_from_body("m", "", content, header_length)


@pytest.mark.parametrize("shape", [["2", 3], [2.0, 3], [True, 3]])
def test_a_shape_lists_whole_numbers(shape: list[Any]) -> None:
    with pytest.raises(ShapeMismatch, match="whole numbers"):
        read(body(shape=shape, data=[]))


def test_an_answer_is_json_unless_the_caller_asks_for_raw() -> None:
    content, header_length = body_from_answer(ANSWER, BinaryOutputs(False, {}))
    answer = json.loads(content)
    assert header_length is None
    assert answer["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [2, 3], "data": [0, 1, 2, 3, 4, 5]}]
    assert answer["parameters"] == {"compute_ms": 1.5, "cpu_seconds": 0.25, "resident_bytes": 1000, "cold": True}


@pytest.mark.parametrize(
    "wish",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "scores", "parameters": {"binary_data": True}}]},
    ],
)
def test_an_answer_is_raw_where_the_caller_asks_for_it(wish: dict[str, Any]) -> None:
    _, binary = request_from_body("m", "", json.dumps({"inputs": [], **wish}).encode(), None)
    content, header_length = body_from_answer(ANSWER, binary)
    assert header_length is not None
    assert json.loads(content[:header_length])["outputs"][0]["parameters"] == {"binary_data_size": 24}
    assert content[header_length:] == VALUES.tobytes()


def test_one_output_may_be_json_where_the_rest_is_raw() -> None:
    assert not BinaryOutputs(True, {"scores": False}).wants("scores")
