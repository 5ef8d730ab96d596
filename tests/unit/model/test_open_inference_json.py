"""The protocol's HTTP bodies."""

import base64
import json
from typing import Any

import numpy as np
import pytest

from services.edge.errors import DtypeMismatch, InvalidInput, ShapeMismatch
from services.model.domain import InferAnswer, RequestCost
from services.model.open_inference_json import BinaryOutputs, body_from_answer, request_from_body
from services.model.tensors import Tensor

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
ANSWER = InferAnswer("m", "v", "7", (Tensor.of("scores", VALUES),), RequestCost(1.5, 0.25, 1000, True))


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
        (b'{"inputs": [{"name": 1}]}', None, "'name' is missing or not a string"),
        (b'{"inputs": [], "id": 1}', None, "'id' is missing or not a string"),
        (b'{"inputs": [], "parameters": [1]}', None, "parameters is list"),
        (b'{"inputs": []}', "99", "is '99', but the body has 14 bytes"),
        (b'{"inputs": []}', "-1", "is '-1'"),
        (b'{"inputs": []}', "9" * 5000, "is '9999"),
        (b'{"inputs": []}xx', "14", "2 bytes left over"),
        (body(data=1), None, "'data' is missing or not a list"),
        (body(parameters={"binary_data_size": 24}), None, "binary_data_size is 24, but 0 bytes are left"),
        (body(name="picture", datatype="BYTES", shape=[1], data=["§"]), None, "is base64"),
        (body(name="picture", datatype="BYTES", shape=[1], data=[1]), None, "is base64"),
    ],
)
def test_a_fault_in_the_body_is_named(content: bytes, header_length: str | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        request_from_body("m", "", content, header_length)


@pytest.mark.parametrize(
    ("data", "shape", "message"),
    [
        ([[0, 1], [2, 3], [4, 5]], [2, 3], "a list of axis 0 is 3 long, but shape .2, 3. says 2"),
        ([[0, 1, 2, 3, 4, 5]], [2, 3], "a list of axis 0 is 1 long"),
        ([[0, 1, 2], [3, 4]], [2, 3], "a list of axis 1 is 2 long, but shape .2, 3. says 3"),
        ([[0, 1, 2], 3, 4, 5], [2, 3], "axis 0 is 4 long"),
        ([[0, 1, 2], 3], [2, 3], "a list of axis 1 is not a list"),
        ([[[0], [1], [2]], [[3], [4], [5]]], [2, 3], "nested deeper than shape"),
        ([[0, 1, 2, 3, 4, 5]], [6], "a list of axis 0 is 1 long"),
        ([[[[0, 1, 2]], [[3, 4, 5]]]], [2, 3], "a list of axis 0 is 1 long"),
    ],
)
def test_nested_data_that_contradict_the_shape_are_refused(data: list[Any], shape: list[int], message: str) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        read(body(shape=shape, data=data))
    pictures = json.loads(json.dumps(data), parse_int=str)
    with pytest.raises(ShapeMismatch, match=message):
        read(body(name="picture", datatype="BYTES", shape=shape, data=pictures))


def test_pictures_may_be_nested_as_their_shape_says() -> None:
    assert read(body(name="picture", datatype="BYTES", shape=[2, 1], data=[["/9g="], ["/9k="]])).values == [
        b"\xff\xd8",
        b"\xff\xd9",
    ]


@pytest.mark.parametrize("data", [[1.0] * 6, [[1, 2, 3], [4, 5, 6]], []])
def test_a_tensor_given_as_data_and_raw_is_refused(data: list[Any]) -> None:
    header = body(data=data, parameters={"binary_data_size": 24})
    with pytest.raises(InvalidInput, match=r"inputs\[0\]: given twice"):
        read(header + VALUES.tobytes(), str(len(header)))


@pytest.mark.parametrize(
    "content",
    [
        b'{"inputs": [], "inputs": []}',
        b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [1], "data": [1], "data": [2]}]}',
        b'{"inputs": [{"name": "a", "name": "b", "datatype": "FP32", "shape": [1], "data": [1]}]}',
    ],
)
def test_of_two_values_under_one_name_none_is_taken(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="is given twice in one object"):
        read(content)


@pytest.mark.timeout(30)  # it took twenty minutes
def test_a_name_that_is_given_twice_after_many_others_is_found_soon() -> None:
    others = ", ".join(f'"{n}": 0' for n in range(200_000))
    with pytest.raises(InvalidInput, match="'last' is given twice in one object"):
        read(f'{{{others}, "last": 0, "last": 1}}'.encode())


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", ["1", "2", "3", "4", "5", "6"]),
        ("FP32", [True] * 6),
        ("FP32", [True, 0.5, 0.5, 0.5, 0.5, 0.5]),
        ("FP32", [[1, 2, 3], [4, None, 6]]),
        ("INT32", [1, 2, False, 4, 5, 6]),
        ("INT32", [1.5] * 6),
        ("UINT8", ["1"] * 6),
        ("BOOL", [True, 1, False, True, True, True]),
    ],
)
def test_what_only_looks_like_numbers_is_refused(datatype: str, data: list[Any]) -> None:
    with pytest.raises(DtypeMismatch, match=f"which is not {datatype}"):
        read(body(datatype=datatype, data=data))


@pytest.mark.parametrize("value", ["false", "true", 0, 1, None, [], {}])
def test_whether_an_answer_is_raw_is_true_or_false_and_nothing_else(value: object) -> None:
    for wish in (
        {"parameters": {"binary_data_output": value}},
        {"outputs": [{"name": "scores", "parameters": {"binary_data": value}}]},
    ):
        with pytest.raises(InvalidInput, match="it is true or false"):
            request_from_body("m", "", json.dumps({"inputs": [], **wish}).encode(), None)


@pytest.mark.parametrize("shape", [["2", 3], [2.0, 3], [True, 3]])
def test_a_shape_lists_whole_numbers(shape: list[Any]) -> None:
    with pytest.raises(ShapeMismatch, match="whole numbers"):
        read(body(shape=shape, data=[]))


def test_an_answer_is_json_unless_the_caller_asks_for_raw() -> None:
    content, header_length = body_from_answer(ANSWER, BinaryOutputs(False, {}))
    answer = json.loads(content)
    assert header_length is None
    assert answer["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [2, 3], "data": [0, 1, 2, 3, 4, 5]}]
    said = {"compute_ms": 1.5, "cpu_seconds": 0.25, "resident_bytes": 1000, "cold": True}
    assert {name: answer["parameters"][name] for name in said} == said


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
