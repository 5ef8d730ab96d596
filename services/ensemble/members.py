"""Members at addresses that stay: one channel each, opened at the first request and kept open."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Annotated

import grpc
from pydantic import BaseModel, ConfigDict, Field

from services.edge.errors import ModelNotFound
from services.edge.suggestion import did_you_mean
from services.ensemble.preparation import Limits

_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A peer that vanished without a word is noticed within 30 s, also between requests and during a long one. Our
    # servers welcome such pings (`edge.grpc_server`); others may end a connection that brings pings and no data.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Members are beside us: a proxy that the environment names for the world outside is not the way to them.
    ("grpc.enable_http_proxy", 0),
    # A service that just came from zero is tried again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Address(BaseModel):
    """Where a model is, and what it takes.

    Attributes:
        address: host:port.
        authority: the name the ingress knows it by, where it differs.
        max_batch, max_message_bytes: of one call, as the model's own settings have them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    authority: str = ""
    max_batch: Annotated[int, Field(gt=0)] = Limits.max_batch
    max_message_bytes: Annotated[int, Field(gt=0)] = Limits.max_message_bytes

    @property
    def limits(self) -> Limits:
        """What it takes in one call."""
        return Limits(self.max_batch, self.max_message_bytes)


class StaticMembers:
    """Models at known addresses, as Knative's are."""

    def __init__(self, addresses: Mapping[str, Address]):
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
            authority = [("grpc.default_authority", place.authority)] if place.authority else []
            self._channels[model] = grpc.aio.insecure_channel(place.address, [*_OPTIONS, *authority])
        return self._channels[model]

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
