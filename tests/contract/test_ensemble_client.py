"""The way from the graph to its members, over live connections: opened early, tried again when it breaks."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import numpy as np
import pytest

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.edge.deadline import Deadline
from services.edge.errors import MemberUnavailable, QueueFull
from services.edge.grpc_server import ErrorsAsStatus
from services.ensemble.client import ModelClient
from services.ensemble.members import MemberAddress, StaticMembers

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
ONE_PICTURE = np.zeros((1, 3, 4, 4), np.float32)
SCORES = np.ones((1, 10), np.float32)


class Behind:
    """A model behind a proxy: each call meets the next of `faults`; those after the last are answered."""

    def __init__(self, *faults: str | Exception):
        self._faults = iter(faults)
        self.calls = 0

    async def infer(
        self,
        request: pb.ModelInferRequest,
        context: "grpc.aio.ServicerContext[pb.ModelInferRequest, pb.ModelInferResponse]",
    ) -> pb.ModelInferResponse:
        self.calls += 1
        fault = next(self._faults, None)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, fault)
        tensor = pb.ModelInferResponse.InferOutputTensor(name="scores", datatype="FP32", shape=SCORES.shape)
        return pb.ModelInferResponse(outputs=[tensor], raw_output_contents=[SCORES.tobytes()])


@asynccontextmanager
async def serving(model: Behind, port: int = 0) -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=(ErrorsAsStatus(),), options=[("grpc.so_reuseport", 0)])
    infer = grpc.unary_unary_rpc_method_handler(
        model.infer, pb.ModelInferRequest.FromString, pb.ModelInferResponse.SerializeToString
    )
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": infer})])
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def members_at(**addresses: str) -> AsyncIterator[StaticMembers]:
    members = StaticMembers({model: MemberAddress(address=address) for model, address in addresses.items()})
    try:
        yield members
    finally:
        await members.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def test_a_way_that_is_broken_for_a_moment_costs_no_answer() -> None:
    model = Behind(*["Bad Gateway"] * 3)
    async with serving(model) as address, members_at(m=address) as members:
        reply = await ModelClient(members).infer("m", ONE_PICTURE, Deadline.after(20.0))
    assert np.array_equal(reply.scores, SCORES)
    assert model.calls == 4


async def test_a_way_that_stays_broken_is_given_up_with_its_reason() -> None:
    model = Behind(*["Bad Gateway"] * 99)
    async with serving(model) as address, members_at(m=address) as members:
        with pytest.raises(MemberUnavailable, match="UNAVAILABLE: Bad Gateway"):
            await ModelClient(members).infer("m", ONE_PICTURE, Deadline.after(20.0))
    assert model.calls < 10


async def test_before_the_deadline_the_reason_is_given_without_one_try_more() -> None:
    model = Behind(*["Bad Gateway"] * 99)
    async with serving(model) as address, members_at(m=address) as members:
        with pytest.raises(MemberUnavailable, match="UNAVAILABLE: Bad Gateway"):
            await ModelClient(members).infer("m", ONE_PICTURE, Deadline.after(0.7))


async def test_a_model_that_says_itself_that_it_cannot_is_not_asked_again() -> None:
    model = Behind(QueueFull("64 requests waiting"))
    async with serving(model) as address, members_at(m=address) as members:
        with pytest.raises(MemberUnavailable, match="64 requests waiting"):
            await ModelClient(members).infer("m", ONE_PICTURE, Deadline.after(20.0))
    assert model.calls == 1


async def test_connecting_waits_for_a_member_that_is_late(free_port: int) -> None:
    async with members_at(m=f"127.0.0.1:{free_port}") as members:
        connecting = asyncio.create_task(members.connect(["m"], 20.0))
        await asyncio.sleep(0.5)
        assert not connecting.done()
        async with serving(Behind(), free_port):
            assert await connecting == {}


async def test_connecting_names_the_members_that_cannot_be_reached(free_port: int) -> None:
    async with serving(Behind()) as address, members_at(there=address, away=f"127.0.0.1:{free_port}") as members:
        unreached = await members.connect(["there", "away", "thre"], 0.5)
    assert unreached == {
        "away": f"127.0.0.1:{free_port} could not be reached within 0.5 s",
        "thre": "no address is set for model 'thre'; did you mean 'there'?",
    }
