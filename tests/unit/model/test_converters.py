"""The protocol's messages."""

import numpy as np
import pytest

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.edge.errors import DtypeMismatch, InvalidInput
from services.model.converters import answer_to_message, metadata_to_message, request_from_message
from services.model.domain import InferAnswer, RequestCost, describe
from services.model.tensors import Tensor
from services.zoo.manifest import Manifest

Input = pb.ModelInferRequest.InferInputTensor


@pytest.mark.parametrize(
    ("datatype", "contents", "expected"),
    [
        ("BOOL", pb.InferTensorContents(bool_contents=[True, False]), [True, False]),
        ("INT8", pb.InferTensorContents(int_contents=[-1, 2]), [-1, 2]),
        ("INT64", pb.InferTensorContents(int64_contents=[-1, 2**40]), [-1, 2**40]),
        ("UINT16", pb.InferTensorContents(uint_contents=[1, 2]), [1, 2]),
        ("UINT64", pb.InferTensorContents(uint64_contents=[1, 2**63]), [1, 2**63]),
        ("FP32", pb.InferTensorContents(fp32_contents=[0.5, 2]), [0.5, 2]),
        ("FP64", pb.InferTensorContents(fp64_contents=[0.5, 2]), [0.5, 2]),
    ],
)
def test_typed_contents_become_their_datatype(
    datatype: str, contents: pb.InferTensorContents, expected: list[float]
) -> None:
    message = pb.ModelInferRequest(inputs=[Input(name="t", datatype=datatype, shape=[2], contents=contents)])
    (tensor,) = request_from_message(message).inputs
    assert tensor.datatype == datatype
    assert np.asarray(tensor.values).tolist() == expected


FLOATS = pb.InferTensorContents(fp32_contents=[0.5, 2])


def test_a_tensor_given_raw_and_typed_is_refused() -> None:
    typed = Input(name="t", datatype="FP32", shape=[2], contents=FLOATS)
    message = pb.ModelInferRequest(inputs=[typed], raw_input_contents=[np.ones(2, "<f4").tobytes()])
    with pytest.raises(InvalidInput, match="tensor 't': given twice, raw and as fp32_contents"):
        request_from_message(message)
    plain = Input(name="u", datatype="FP32", shape=[2])
    message = pb.ModelInferRequest(inputs=[plain, typed], raw_input_contents=[bytes(8), bytes(8)])
    with pytest.raises(InvalidInput, match="tensor 't': given twice"):
        request_from_message(message)


@pytest.mark.parametrize(
    ("datatype", "contents"),
    [
        ("FP32", pb.InferTensorContents(fp32_contents=[0.5, 2], int_contents=[1, 2])),
        ("FP32", pb.InferTensorContents(fp64_contents=[0.5, 2])),
        ("BYTES", pb.InferTensorContents(bytes_contents=[b"a", b"b"], fp32_contents=[1, 2])),
    ],
)
def test_a_tensor_in_two_types_or_in_anothers_is_refused(datatype: str, contents: pb.InferTensorContents) -> None:
    message = pb.ModelInferRequest(inputs=[Input(name="t", datatype=datatype, shape=[2], contents=contents)])
    with pytest.raises(InvalidInput, match=f"is filled; {datatype} is sent as"):
        request_from_message(message)


def test_raw_contents_are_not_copied() -> None:
    raw = np.arange(4, dtype="<f4").tobytes()
    message = pb.ModelInferRequest(
        model_name="m",
        model_version="v",
        id="7",
        inputs=[Input(name="image", datatype="FP32", shape=[2, 2])],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="scores")],
        raw_input_contents=[raw],
    )
    request = request_from_message(message)
    assert (request.model, request.version, request.id, request.outputs) == ("m", "v", "7", ("scores",))
    assert np.asarray(request.inputs[0].values).tolist() == [[0, 1], [2, 3]]


def test_elements_come_typed_or_raw() -> None:
    typed = pb.ModelInferRequest(
        inputs=[
            Input(name="p", datatype="BYTES", shape=[2], contents=pb.InferTensorContents(bytes_contents=[b"a", b""]))
        ]
    )
    raw = pb.ModelInferRequest(
        inputs=[Input(name="p", datatype="BYTES", shape=[2])], raw_input_contents=[b"\1\0\0\0a\0\0\0\0"]
    )
    for message in (typed, raw):
        assert request_from_message(message).inputs[0].values == [b"a", b""]


def test_raw_contents_for_some_inputs_only_are_refused() -> None:
    message = pb.ModelInferRequest(inputs=[Input(name="a"), Input(name="b")], raw_input_contents=[b""])
    with pytest.raises(InvalidInput, match="2 inputs, but 1 raw_input_contents"):
        request_from_message(message)


@pytest.mark.parametrize(("datatype", "message"), [("FP16", "no typed form; send it raw"), ("FP8", "is not one of")])
def test_a_datatype_without_typed_form_is_refused(datatype: str, message: str) -> None:
    with pytest.raises(DtypeMismatch, match=message):
        request_from_message(pb.ModelInferRequest(inputs=[Input(name="a", datatype=datatype, shape=[1])]))


def test_an_answer_carries_its_cost() -> None:
    scores = np.array([[1.0, -2.0]], np.float32)
    answer = InferAnswer("m", "v", "7", (Tensor.of("scores", scores),), RequestCost(1.5, 0.25, 1000, True))
    message = pb.ModelInferResponse.FromString(answer_to_message(answer).SerializeToString())
    assert np.frombuffer(message.raw_output_contents[0], "<f4").tolist() == [1.0, -2.0]
    assert (message.outputs[0].name, message.outputs[0].datatype, list(message.outputs[0].shape)) == (
        "scores",
        "FP32",
        [1, 2],
    )
    cost = message.parameters
    assert (cost["compute_ms"].double_param, cost["cpu_seconds"].double_param) == (1.5, 0.25)
    assert (cost["resident_bytes"].int64_param, cost["cold"].bool_param) == (1000, True)


def test_the_description_names_inputs_and_outputs(manifest: Manifest) -> None:
    message = metadata_to_message(describe(manifest))
    assert (message.name, list(message.versions), message.platform) == ("tiny", ["v1"], "sleep")
    assert [each.name for each in message.inputs] == ["image", "picture"]
    assert list(message.outputs[0].shape) == [-1, 5]
