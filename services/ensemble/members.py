"""Members at addresses that stay: one channel each, opened at the first request and kept open."""

from collections.abc import Mapping

import grpc
from pydantic import BaseModel, ConfigDict

from services.edge.declaration import did_you_mean
from services.edge.errors import ModelNotFound

_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A peer that vanished without a word is noticed within 30 s, also between requests.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A service that just came from zero is tried again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Address(BaseModel):
    """Where a model is: host:port; `authority`, where it differs, is the name the ingress knows it by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    authority: str = ""


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

    async def close(self) -> None:
        """Close every channel."""
        for channel in self._channels.values():
            await channel.close()
