"""Calls to Knative Services through their ingress: any answer of theirs says that a pod runs."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

_PAUSE_S = 0.2
_NOT_THEIRS = {404, 502, 503, 504}
"""The ingress does not know the host yet, or the pod is not there yet: asked again."""


@dataclass(frozen=True)
class Called:
    """How long a service took to answer, in s, and why it did not, where it did not."""

    took_s: float
    error: str = ""


async def call_all(
    hosts: Mapping[str, str], ingress: str, timeout_s: float, clock: Callable[[], float] = time.monotonic
) -> dict[str, Called]:
    """Call every service at once, and again until it answers.

    A service that speaks gRPC alone refuses the call, which it can do only when it runs.

    Args:
        hosts: name -> the host that the ingress knows it by.
        ingress: URL of the gateway.
    """

    async def call(client: httpx.AsyncClient, host: str) -> Called:
        began_s, last = clock(), "it did not answer"
        while (left_s := timeout_s - (clock() - began_s)) > 0:
            try:
                answer = await client.get("/", headers={"host": host}, timeout=left_s)
                if answer.status_code not in _NOT_THEIRS:
                    return Called(clock() - began_s)
                last = f"the ingress answers {answer.status_code}"
            except httpx.HTTPError as error:
                last = f"{ingress}: {error or type(error).__name__}"
            await asyncio.sleep(_PAUSE_S)
        return Called(clock() - began_s, f"{last}, after {timeout_s:g} s")

    async with httpx.AsyncClient(base_url=ingress, trust_env=False) as client:
        called = await asyncio.gather(*(call(client, host) for host in hosts.values()))
    return dict(zip(hosts, called, strict=True))
