"""The stages of a chain over gRPC."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import grpc

from services.artifacts.precision import Encoding
from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.contracts.strata.stage.v1 import stage_pb2_grpc as pb_grpc
from services.edge.address import split_address
from services.edge.errors import InvalidInput, StageUnavailable, Unavailable
from services.edge.grpc_channel import open_channel, read_reply
from services.edge.remote_errors import error_of
from services.pipeline.converters import answer_of_message, description_of_message, request_to_message
from services.pipeline.domain import StageAnswer, StageDescription

CALL_TIMEOUT_S = 900.0

Channel: TypeAlias = Callable[[], Awaitable[grpc.aio.Channel]]
"""Asked at each call: what keeps the stage running learns from it that it is used."""


def split_service(text: str) -> tuple[str, str]:
    """Split HOST:PORT/NAME into the address and the name an ingress knows the stage by, which may be empty."""
    address, _, authority = text.strip().partition("/")
    try:
        split_address(address)
    except ValueError as error:
        raise InvalidInput(f"--services: {error}") from error
    return address, authority


class StageClient:
    """Calls stages; a `Stages`.

    A stage that is being asked what it is gets its record after it has answered: while it starts, two calls at a time
    would start two pods of it.
    """

    def __init__(self, channels: Sequence[Channel], timeout_s: float):
        self._channels = channels
        self._timeout_s = timeout_s
        self._described = [asyncio.Lock() for _ in channels]

    def __len__(self) -> int:
        return len(self._channels)

    async def describe(self, stage: int) -> StageDescription:
        """Ask a stage what it is. Raises Unavailable and what else it answers."""
        stub = await self._stub(stage)
        try:
            async with self._described[stage]:
                said: pb.DescribeResponse | None = await stub.Describe(
                    pb.DescribeRequest(), timeout=self._timeout_s, wait_for_ready=True
                )
        except grpc.aio.AioRpcError as error:
            raise error_of(error, StageUnavailable, f"stage {stage}") from error
        return description_of_message(read_reply(said, f"stage {stage}"))

    async def run(
        self,
        stage: int,
        chain: str,
        input_url: str,
        output_url: str,
        precision: Encoding = Encoding.FLOAT32,
    ) -> StageAnswer:
        """Have a record's activation computed. Raises Unavailable and what else the stage answers."""
        stub = await self._stub(stage)
        request = request_to_message(chain, input_url, output_url, precision)
        async with self._described[stage]:
            pass
        try:
            answer: pb.RunResponse | None = await stub.Run(request, timeout=self._timeout_s)
        except grpc.aio.AioRpcError as error:
            raise error_of(error, StageUnavailable, f"stage {stage}") from error
        return answer_of_message(read_reply(answer, f"stage {stage}"))

    async def take(
        self, first: int, chain: str, urls: Sequence[str], precision: Encoding
    ) -> AsyncGenerator[StageAnswer, None]:
        """Call one stage after the other. Raises what `run` does."""
        for stage, (input_url, output_url) in enumerate(pairwise(urls), first):
            yield await self.run(stage, chain, input_url, output_url, precision)

    async def _stub(self, stage: int) -> "pb_grpc.StageServiceAsyncStub":
        try:
            channel = await self._channels[stage]()
        except Unavailable as error:
            raise StageUnavailable(f"stage {stage}: {error}") from error
        return pb_grpc.StageServiceStub(channel)


@asynccontextmanager
async def open_stages(places: Iterable[tuple[str, str]], timeout_s: float) -> AsyncIterator[StageClient]:
    """Open stages that run, each by its address and authority as `split_service` gives them, until the block ends."""
    async with AsyncExitStack() as stack:
        channels = [open_channel(*place) for place in places]
        for channel in channels:
            stack.push_async_callback(channel.close)
        yield StageClient([partial(_always, channel) for channel in channels], timeout_s)


async def _always(channel: grpc.aio.Channel) -> grpc.aio.Channel:
    """A channel that is there, as what starts services gives one."""
    return channel
