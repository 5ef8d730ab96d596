"""Calls to Knative Services through their ingress, each for its health: only a pod that runs says that it is well."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import grpc
import httpx

from services.cluster.domain import Host
from services.edge.errors import InvalidInput, Unavailable
from services.edge.grpc_channel import open_channel
from services.edge.http_client import reason_of
from services.edge.service_health import is_serving

_PAUSE_S = 0.2
_TRY_S = 30.0
"""An ingress may keep a call whose pod it has lost: it is made anew after so long."""
_HEALTH_PATH = "/readyz"
"""Of every service of ours that speaks HTTP."""

_Ask = Callable[[float], Awaitable[str]]
"""Ask once, within so many seconds, and say why the service did not call itself ready; empty where it did."""


@dataclass(frozen=True)
class Called:
    """How long a service took to answer, in s, and why it did not, where it did not."""

    took_s: float
    error: str = ""


async def call_all(
    hosts: Mapping[str, Host], ingress: str, timeout_s: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, Called]:
    """Call every service at once, and again until it says that it is ready.

    What an ingress says of a host that it does not know yet, and of a pod that is not there yet, looks the same as a
    service's refusal of a call that it does not know.

    Args:
        hosts: by the services' names.
        ingress: URL of the gateway.
    Raises:
        InvalidInput: the URL names no host.
    """
    address = _address(ingress)

    async def call(host: Host) -> Called:
        began_s, last = clock(), "it did not answer"
        async with open_channel(address, host.name) as channel:
            ask = _asking_health(channel) if host.speaks_grpc else _asking_http(client, host.name)
            while (left_s := timeout_s - (clock() - began_s)) > 0:
                if not (last := await ask(min(_TRY_S, left_s))):
                    return Called(clock() - began_s)
                await asyncio.sleep(_PAUSE_S)
        return Called(clock() - began_s, f"{ingress}: {last}, after {timeout_s:g} s")

    async with httpx.AsyncClient(base_url=ingress, trust_env=False) as client:
        called = await asyncio.gather(*(call(host) for host in hosts.values()))
    return dict(zip(hosts, called, strict=True))


def _address(ingress: str) -> str:
    with suppress(ValueError):  # a port that is no number, or a bracket without its end
        place = urlsplit(ingress)
        host, port = place.hostname, place.port or 80
        if place.scheme == "http" and host:
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    raise InvalidInput(f"'{ingress}' is no URL of an ingress gateway: expected http://HOST or http://HOST:PORT")


def _asking_health(channel: grpc.aio.Channel) -> _Ask:
    async def ask(timeout_s: float) -> str:
        try:
            return "" if await is_serving(channel, timeout_s) else "the service is not ready"
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
        except Unavailable as error:
            return str(error)

    return ask


def _asking_http(client: httpx.AsyncClient, host: str) -> _Ask:
    async def ask(timeout_s: float) -> str:
        try:
            answer = await client.get(_HEALTH_PATH, headers={"host": host}, timeout=timeout_s)
        except httpx.HTTPError as error:
            return reason_of(error)
        return "" if answer.is_success else f"the ingress answers {answer.status_code}"

    return ask
