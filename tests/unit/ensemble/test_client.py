"""What is made of a model service's answer, ours or another's that speaks the protocol."""

import numpy as np
import pytest

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.edge.errors import MemberUnavailable
from services.ensemble.client import _reply

REQUEST = pb.ModelInferRequest(model_name="m", raw_input_contents=[bytes(100)])


def answer(datatype: str, shape: tuple[int, ...], *raw: bytes) -> pb.ModelInferResponse:
    output = pb.ModelInferResponse.InferOutputTensor(name="scores", datatype=datatype, shape=shape)
    return pb.ModelInferResponse(outputs=[output], raw_output_contents=raw)


def test_scores_and_cost_are_read_and_memory_is_priced_by_its_time() -> None:
    message = answer("FP32", (1, 2), np.array([1, 2], "<f4").tobytes())
    message.parameters["compute_ms"].double_param = 500
    message.parameters["cpu_seconds"].double_param = 0.25
    message.parameters["resident_bytes"].int64_param = 2**31
    message.parameters["cold"].bool_param = True
    reply = _reply(REQUEST, message)
    assert reply.scores.tolist() == [[1, 2]]
    assert (reply.compute_ms, reply.cold) == (500, True)
    usage = reply.usage
    assert (usage.requests, usage.cpu_seconds, usage.gb_seconds) == (1, 0.25, 1.0)
    assert (usage.bytes_in, usage.bytes_out) == (REQUEST.ByteSize(), message.ByteSize())


def test_an_answer_without_a_cost_costs_a_request() -> None:
    usage = _reply(REQUEST, answer("FP32", (1, 1), bytes(4))).usage
    assert (usage.requests, usage.cpu_seconds, usage.gb_seconds) == (1, 0.0, 0.0)


@pytest.mark.parametrize(
    "message",
    [
        answer("INT32", (1, 2), bytes(8)),
        answer("FP32", (1, 3), bytes(8)),
        answer("FP32", (1, 2)),
        answer("FP32", (1, 2), bytes(7)),
        answer("FP32", (1, 2), bytes(8), bytes(8)),
        pb.ModelInferResponse(),
    ],
    ids=["integers", "another shape", "not raw", "cut", "two tensors", "nothing"],
)
def test_an_answer_that_is_not_one_raw_tensor_of_fp32_is_the_members_failure(message: pb.ModelInferResponse) -> None:
    with pytest.raises(MemberUnavailable, match="not one raw FP32 tensor"):
        _reply(REQUEST, message)
