"""Models that are cut into stages, as members like any other: asked stage by stage, with the values in the message."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

import grpc
import numpy as np

from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.contracts.strata.stage.v1 import stage_pb2_grpc as pb_grpc
from services.edge.deadline import Clock, Deadline
from services.edge.errors import MemberUnavailable, StrataError
from services.edge.grpc_channel import call_over_a_broken_way, read_reply
from services.edge.receipt_messages import line_of_message
from services.edge.receipts import NOTHING, add
from services.ensemble.fan_out import ChunkReply
from services.ensemble.members import Members
from services.ensemble.preparation import CallLimits, Images

CHAIN_LIMITS = CallLimits(max_batch=4)
"""What a stage takes in one message."""

_ASLEEP_AFTER_S = 5.0
"""A chain that was not asked for that long is woken whole: a stage that comes from zero does not wait for the one
before it."""


class ChainedMembers:
    """Members by model, over services of which several make one model."""

    def __init__(self, services: Members, chains: Mapping[str, Sequence[str]]):
        self._services = services
        self._chains = chains

    async def channel(self, service: str) -> grpc.aio.Channel:
        """The channel of a whole model, or of one stage."""
        return await self._services.channel(service)

    async def wake(self, models: Iterable[str]) -> dict[str, str]:
        """Start all services of these models; return those models that did not start, and why."""
        models = list(models)
        services = [service for model in models for service in self._services_of(model)]
        faults = await self._services.wake(services)
        found = {model: [faults[each] for each in self._services_of(model) if each in faults] for model in models}
        return {model: "; ".join(each) for model, each in found.items() if each}

    def starting(self) -> frozenset[str]:
        """The models of which a service starts."""
        starting = self._services.starting()
        chained = [model for model, services in self._chains.items() if not starting.isdisjoint(services)]
        return starting.union(chained)

    def _services_of(self, model: str) -> Sequence[str]:
        return self._chains.get(model, (model,))


class ChainClient:
    """Infers with models that are cut into stages."""

    def __init__(self, services: Members, chains: Mapping[str, Sequence[str]], clock: Clock):
        self._services = services
        self._chains = chains
        self._clock = clock
        self._asked_s: dict[str, float] = {}

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        """Send [N, 3, H, W] through the stages and return scores, with each stage's part.

        Raises:
            AioRpcError: a stage refused, or could not be reached.
            MemberUnavailable, Unavailable: a stage answered something else.
        """
        waking = asyncio.create_task(self._wake(model, deadline))
        try:
            values: Images = images
            parts = []
            compute_ms = 0.0
            cold = False
            for service in self._chains[model]:
                request = pb.InferRequest(shape=values.shape, values=values.tobytes())
                answer = await call_over_a_broken_way(partial(self._ask, service, request), deadline)
                values = _values(answer, service)
                line = line_of_message(answer.line)
                usage = replace(line.usage, bytes_in=request.ByteSize(), bytes_out=answer.ByteSize())
                parts.append((service, usage, line.allocation))
                compute_ms += answer.compute_ms
                cold = cold or answer.cold
        finally:
            waking.cancel()
        usage = add(each for _, each, _ in parts)
        allocation = sum((each for _, _, each in parts), NOTHING)
        return ChunkReply(values, usage, compute_ms, cold, allocation, stages=tuple(parts))

    async def _ask(self, service: str, request: pb.InferRequest, deadline: Deadline) -> pb.InferResponse:
        channel = await self._services.channel(service)
        stub = pb_grpc.StageServiceStub(channel)
        answer: pb.InferResponse | None = await stub.Infer(request, timeout=deadline.remaining_s)
        return read_reply(answer, f"stage '{service}'")

    async def _wake(self, model: str, deadline: Deadline) -> None:
        now_s = self._clock()
        asleep = now_s - self._asked_s.get(model, -_ASLEEP_AFTER_S) >= _ASLEEP_AFTER_S
        self._asked_s[model] = now_s
        if not asleep:
            return

        async def describe(service: str) -> None:
            with suppress(grpc.aio.AioRpcError, StrataError):  # the call that needs the stage says what is wrong
                stub = pb_grpc.StageServiceStub(await self._services.channel(service))
                await stub.Describe(pb.DescribeRequest(), timeout=deadline.remaining_s)

        await asyncio.gather(*map(describe, self._chains[model][1:]))


def _values(answer: pb.InferResponse, service: str) -> Images:
    try:
        return np.frombuffer(answer.values, "<f4").reshape(tuple(answer.shape))
    except ValueError as error:
        raise MemberUnavailable(f"{service}: {len(answer.values)} bytes are not {list(answer.shape)}") from error
