"""A client of model services: sends tensors over gRPC, reads scores and what they cost."""

import asyncio
import math
from typing import Protocol

import grpc
import numpy as np

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.edge.errors import DeadlineExceeded, MemberUnavailable, ModelNotFound
from services.edge.grpc_server import ERROR_METADATA_KEY
from services.edge.receipts import GIB, Usage
from services.ensemble.fan_out import Reply
from services.ensemble.preparation import Images
from services.zoo.manifest import INPUT_NAME

_PAUSES_S = (0.0, 0.1, 0.2, 0.4)
"""Before each time a broken connection is tried again. While a revision takes over from another, the way may break."""

_NOTHING = pb.InferParameter()
"""What a model server that is not ours says of its cost."""


class Members(Protocol):
    """Where models are. Ask at each request: whoever keeps them running learns from it that they are used."""

    async def channel(self, model: str) -> grpc.aio.Channel: ...


class ModelClient:
    """Infers with models by name."""

    def __init__(self, members: Members):
        self._members = members

    async def infer(self, model: str, images: Images, timeout_s: float | None) -> Reply:
        """Send [N, 3, H, W] and return scores; an `Infer`.

        A connection that breaks is tried again a few times: inference changes nothing, so a repeat is safe.

        Raises:
            MemberUnavailable: the model cannot be reached, failed, or answered something else.
            DeadlineExceeded: `timeout_s` passed.
        """
        request = pb.ModelInferRequest(
            model_name=model,
            inputs=[pb.ModelInferRequest.InferInputTensor(name=INPUT_NAME, datatype="FP32", shape=images.shape)],
            raw_input_contents=[images.tobytes()],
        )
        try:
            answer = await self._call(request, timeout_s)
        except ModelNotFound as error:
            raise MemberUnavailable(str(error)) from error
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise DeadlineExceeded(f"model '{model}' had not answered after {timeout_s} s") from error
            raise MemberUnavailable(f"{error.code().name}: {error.details()}") from error
        return _reply(request, answer)

    async def _call(self, request: pb.ModelInferRequest, timeout_s: float | None) -> pb.ModelInferResponse:
        clock = asyncio.get_running_loop().time
        ends_s = math.inf if timeout_s is None else clock() + timeout_s
        for pause_s in _PAUSES_S:
            try:
                return await self._call_once(request, ends_s - clock())
            except grpc.aio.AioRpcError as error:
                # Near the deadline, why it broke is worth more than one try more.
                if not _connection_broke(error) or clock() + pause_s >= ends_s:
                    raise
            await asyncio.sleep(pause_s)
        return await self._call_once(request, ends_s - clock())

    async def _call_once(self, request: pb.ModelInferRequest, timeout_s: float) -> pb.ModelInferResponse:
        channel = await self._members.channel(request.model_name)
        timeout = None if timeout_s == math.inf else max(0.0, timeout_s)
        answer: pb.ModelInferResponse = await pb_grpc.GRPCInferenceServiceStub(channel).ModelInfer(
            request, timeout=timeout
        )
        return answer


def _connection_broke(error: grpc.aio.AioRpcError) -> bool:
    """Tell a broken connection from a service that says itself that it is unavailable."""
    said_so = any(key == ERROR_METADATA_KEY for key, _ in error.trailing_metadata() or ())
    return error.code() is grpc.StatusCode.UNAVAILABLE and not said_so


def _reply(request: pb.ModelInferRequest, answer: pb.ModelInferResponse) -> Reply:
    try:
        (output,), (raw,) = answer.outputs, answer.raw_output_contents
        if output.datatype != "FP32":
            raise ValueError(f"its datatype is {output.datatype}")
        scores = np.frombuffer(raw, np.float32).reshape(output.shape)
    except ValueError as error:
        raise MemberUnavailable(f"its answer is not one raw FP32 tensor: {error}") from error
    cost = {
        key: answer.parameters.get(key, _NOTHING) for key in ("compute_ms", "cpu_seconds", "resident_bytes", "cold")
    }
    compute_ms = cost["compute_ms"].double_param
    usage = Usage(
        requests=1,
        cpu_seconds=cost["cpu_seconds"].double_param,
        gb_seconds=compute_ms / 1e3 * cost["resident_bytes"].int64_param / GIB,
        bytes_in=request.ByteSize(),
        bytes_out=answer.ByteSize(),
    )
    return Reply(scores, usage, compute_ms, cost["cold"].bool_param)
