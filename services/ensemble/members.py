"""Members at addresses that stay: one channel each, opened at the first request and kept open."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated

import grpc
from pydantic import BaseModel, ConfigDict, Field

from services.edge.errors import ModelNotFound
from services.edge.grpc_channel import open_channel
from services.edge.message_size import LARGEST_MESSAGE_BYTES
from services.edge.suggestion import did_you_mean
from services.ensemble.preparation import CallLimits


class MemberAddress(BaseModel):
    """Where a model is, and what it takes.

    Attributes:
        address: host:port.
        authority: the name the ingress knows it by, where it differs.
        max_batch, max_message_bytes: of one call, as the model's own settings have them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    authority: str = ""
    max_batch: Annotated[int, Field(gt=0)] = CallLimits.max_batch
    max_message_bytes: Annotated[int, Field(gt=0, le=LARGEST_MESSAGE_BYTES)] = CallLimits.max_message_bytes

    @property
    def limits(self) -> CallLimits:
        """What it takes in one call."""
        return CallLimits(self.max_batch, self.max_message_bytes)


class StaticMembers:
    """Models at known addresses, as Knative's are."""

    def __init__(self, addresses: Mapping[str, MemberAddress]):
        self._addresses = addresses
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def channel(self, model: str) -> grpc.aio.Channel:
        """Return the model's channel.

        Raises:
            ModelNotFound: no address is known.
        """
        if model not in self._addresses:
            known = sorted(self._addresses)
            raise ModelNotFound(f"no address is set for model '{model}'{did_you_mean(model, known)}")
        if model not in self._channels:
            place = self._addresses[model]
            self._channels[model] = open_channel(place.address, place.authority)
        return self._channels[model]

    async def wake(self, models: Iterable[str]) -> dict[str, str]:  # noqa: ARG002
        """Start nothing: models at known addresses run, or start at the call."""
        return {}

    def starting(self) -> frozenset[str]:
        """None: who calls a model at an address does not see it start."""
        return frozenset()

    async def connect(self, models: Iterable[str], timeout_s: float) -> dict[str, str]:
        """Open the channels of `models`; return those that could not be opened in time, and why.

        A name that is looked up during a request fails it when the answer is late, and the requests after it until gRPC
        asks again.
        """

        async def open_channel(model: str) -> str:
            try:
                channel = await self.channel(model)
                await asyncio.wait_for(channel.channel_ready(), timeout_s)
            except ModelNotFound as error:
                return str(error)
            except TimeoutError:
                return f"{self._addresses[model].address} could not be reached within {timeout_s:g} s"
            return ""

        models = list(models)
        faults = await asyncio.gather(*map(open_channel, models))
        return {model: fault for model, fault in zip(models, faults, strict=True) if fault}

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
