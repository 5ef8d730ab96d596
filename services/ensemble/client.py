"""A client of model services: sends tensors over gRPC, reads scores and what they cost."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import grpc
import numpy as np

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.edge.deadline import Deadline
from services.edge.errors import DeadlineExceeded, MemberUnavailable, NotFound, Unavailable
from services.edge.grpc_channel import call_over_a_broken_way, read_reply
from services.edge.receipts import GIB, Allocation, Usage
from services.edge.service_health import is_serving
from services.edge.tracing import span
from services.ensemble.chains import ChainClient
from services.ensemble.fan_out import ChunkReply, SharedPass
from services.ensemble.members import Members
from services.ensemble.preparation import Images
from services.zoo.manifest import INPUT_NAME

_POLL_S = 0.05

_NOTHING = pb.InferParameter()
"""What a model server that is not ours says of its cost."""


class ModelClient:
    """Infers with models by name, whole or cut into stages."""

    def __init__(self, members: Members, chains: Mapping[str, Sequence[str]] | None = None):
        """Put a client together; `chains` has the models that are cut, and their stages' services in order."""
        self._members = members
        self._chains = chains or {}
        self._chain_client = ChainClient(members, self._chains, time.monotonic)
        # A stub makes a callable for each method of the protocol: not at each call.
        self._stubs: WeakKeyDictionary[grpc.aio.Channel, Any] = WeakKeyDictionary()

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        """Send [N, 3, H, W] and return scores; an `Infer`.

        While the way breaks it is tried again a few times: inference changes nothing, so a repeat is safe.

        Raises:
            MemberUnavailable: the model cannot be reached, failed, or answered something else.
            DeadlineExceeded: the deadline passed.
        """
        try:
            with span("member", model=model, pictures=len(images)):
                if model in self._chains:
                    return await self._chain_client.infer(model, images, deadline)
                return await self._infer_whole(model, images, deadline)
        except (NotFound, Unavailable) as error:
            raise MemberUnavailable(str(error)) from error
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise DeadlineExceeded(f"model '{model}' had not answered by the deadline") from error
            raise MemberUnavailable(f"{error.code().name}: {error.details()}") from error

    async def start(self, model: str, deadline: Deadline) -> None:
        """Ask a model, or each of its stages at once, whether it is ready until it is, which starts it; a `Start`.

        Raises:
            MemberUnavailable: the model cannot be reached, or did not start.
            DeadlineExceeded: the deadline passed.
        """
        late = f"model '{model}' was not ready by the deadline"
        try:
            async with asyncio.timeout(deadline.remaining_s):
                await asyncio.gather(*(self._await_ready(each, deadline) for each in self._chains.get(model, (model,))))
        except TimeoutError:
            raise DeadlineExceeded(late) from None
        except (NotFound, Unavailable) as error:
            raise MemberUnavailable(str(error)) from error
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise DeadlineExceeded(late) from error
            raise MemberUnavailable(f"{error.code().name}: {error.details()}") from error

    async def _await_ready(self, service: str, deadline: Deadline) -> None:
        while not await call_over_a_broken_way(lambda until: self._is_ready(service, until), deadline):
            await asyncio.sleep(_POLL_S)

    async def _is_ready(self, service: str, deadline: Deadline) -> bool:
        return await is_serving(await self._members.channel(service), deadline.remaining_s)

    async def _infer_whole(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        request = pb.ModelInferRequest(
            model_name=model,
            inputs=[pb.ModelInferRequest.InferInputTensor(name=INPUT_NAME, datatype="FP32", shape=images.shape)],
            raw_input_contents=[images.tobytes()],
        )
        answer = await call_over_a_broken_way(lambda until: self._call(request, until), deadline)
        return _reply(request, answer)

    async def _call(self, request: pb.ModelInferRequest, deadline: Deadline) -> pb.ModelInferResponse:
        # Asked at each try: a member that died is started anew.
        channel = await self._members.channel(request.model_name)
        stub = self._stubs.get(channel)
        if stub is None:
            stub = self._stubs[channel] = pb_grpc.GRPCInferenceServiceStub(channel)
        answer: pb.ModelInferResponse | None = await stub.ModelInfer(request, timeout=deadline.remaining_s)
        return read_reply(answer, f"model '{request.model_name}'")


def _reply(request: pb.ModelInferRequest, answer: pb.ModelInferResponse) -> ChunkReply:
    try:
        (output,), (raw,) = answer.outputs, answer.raw_output_contents
        if output.datatype != "FP32":
            raise ValueError(f"its datatype is {output.datatype}")
        scores = np.frombuffer(raw, np.float32).reshape(output.shape)
    except ValueError as error:
        raise MemberUnavailable(f"its answer is not one raw FP32 tensor: {error}") from error

    def said(name: str) -> pb.InferParameter:
        return answer.parameters.get(name, _NOTHING)

    compute_ms = said("compute_ms").double_param
    usage = Usage(
        requests=1,
        cpu_seconds=said("cpu_seconds").double_param,
        gb_seconds=compute_ms / 1e3 * said("resident_bytes").int64_param / GIB,
        bytes_in=request.ByteSize(),
        bytes_out=answer.ByteSize(),
        cold_cpu_seconds=said("cold_cpu_seconds").double_param,
    )
    allocation, unclaimed = (
        Allocation(said(f"{basis}_cpu_seconds").double_param, said(f"{basis}_gb_seconds").double_param)
        for basis in ("allocated", "unclaimed")
    )
    number, pictures, largest = (said(f"pass_{each}").int64_param for each in ("number", "pictures", "largest"))
    shared = SharedPass(number, pictures, largest) if largest > 1 else None
    return ChunkReply(scores, usage, compute_ms, said("cold").bool_param, allocation, unclaimed, shared=shared)
