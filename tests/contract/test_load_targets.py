"""What `strata load` makes of servers that say something else than a target says, or say it for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from services.edge.deadline import Deadline
from services.edge.errors import MemberUnavailable, Unavailable
from services.ensemble.client import ModelClient
from services.ensemble.members import MemberAddress, StaticMembers
from services.loadtest.answers import LabelledPicture, Target
from services.loadtest.samples import Outcome
from services.loadtest.scenario import Request
from services.loadtest.targets import open_asker, read_address

TARGET = Target("m", frozenset(), frozenset(), None)
PICTURES = [LabelledPicture(0, b"", None)]


@dataclass(frozen=True)
class _SaysNothingReadable(grpc.GenericRpcHandler):
    """Every method answers with bytes that are the beginning of no message."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def answer(_: bytes, __: object) -> bytes:
            return b"\xff\xff\xff"

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_SaysNothingReadable()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@pytest.mark.parametrize("target", ["grpc://{}", "oip://{}/m"])
async def test_it_is_no_target_and_its_answers_are_wrong(target: str, address: str) -> None:
    async with open_asker(read_address(target.format(address))) as asker:
        with pytest.raises(Unavailable, match=f"target .*{address} answers with something else"):
            await asker.describe()
        ended = await asker.ask(PICTURES, Request(pictures=str(Path())), TARGET)
    assert ended.outcome is Outcome.WRONG
    assert "something else" in ended.reason


async def test_a_member_that_says_it_has_failed(address: str) -> None:
    members = StaticMembers({"m": MemberAddress(address=address)})
    try:
        with pytest.raises(MemberUnavailable, match="model 'm' answers with something else"):
            await ModelClient(members).infer("m", np.zeros((1, 3, 4, 4), np.float32), Deadline.after(5.0))
    finally:
        await members.close()


async def test_a_list_of_ensembles_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.loadtest.targets.DESCRIBE_S", 0.2)
    given_up = asyncio.Event()

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()
        given_up.set()

    async with asyncio.timeout(20), await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_asker(read_address(f"http://127.0.0.1:{port}")) as asker:
            with pytest.raises(Unavailable, match="does not answer as it should: TimeoutError"):
                await asker.describe()
        await given_up.wait()
