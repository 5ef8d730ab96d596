"""Stages are called over gRPC so that each has one call at a time while it starts."""

import asyncio
from typing import Any

import grpc
import pytest

from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.contracts.strata.stage.v1 import stage_pb2_grpc as pb_grpc
from services.edge.errors import Unavailable
from services.pipeline.client import open_stages


class Starting(pb_grpc.StageServiceServicer):
    """A stage that says what it is once it has started; notes each call as it comes."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.calls: list[str] = []

    async def Describe(self, _request: pb.DescribeRequest, _context: Any) -> pb.DescribeResponse:
        self.calls.append("Describe")
        await self.started.wait()
        self.calls.append("described")
        return pb.DescribeResponse()

    async def Run(self, _request: pb.RunRequest, _context: Any) -> pb.RunResponse:
        self.calls.append("Run")
        return pb.RunResponse()

    async def Infer(self, _request: pb.InferRequest, _context: Any) -> pb.InferResponse:
        raise NotImplementedError


async def test_a_stage_that_starts_gets_its_record_after_it_has_said_what_it_is() -> None:
    stage = Starting()
    server = grpc.aio.server()
    pb_grpc.add_StageServiceServicer_to_server(stage, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_stages([(f"127.0.0.1:{port}", "")], 10.0) as stages:
        described = asyncio.create_task(stages.describe(0))
        while not stage.calls:
            await asyncio.sleep(0.01)
        ran = asyncio.create_task(stages.run(0, "chain", "file:///a", "file:///b"))
        await asyncio.sleep(0.1)
        assert stage.calls == ["Describe"]
        stage.started.set()
        await asyncio.gather(described, ran)
    await server.stop(None)
    assert stage.calls == ["Describe", "described", "Run"]


async def test_a_server_that_is_no_stage_is_unavailable() -> None:
    async def nonsense(_request: bytes, _context: Any) -> bytes:
        return b"\xff"

    server = grpc.aio.server()
    handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(nonsense) for name in ("Describe", "Run")}
    service = pb.DESCRIPTOR.services_by_name["StageService"].full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_stages([(f"127.0.0.1:{port}", "")], 10.0) as stages:
        for call in (stages.describe(0), stages.run(0, "chain", "file:///a", "file:///b")):
            with pytest.raises(Unavailable, match="stage 0 answers with something else"):
                await call
    await server.stop(None)
