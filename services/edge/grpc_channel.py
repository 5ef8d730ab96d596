"""A gRPC channel as every caller of ours opens it, and calls over a way that breaks for a moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from services.edge.deadline import Deadline
from services.edge.errors import Unavailable
from services.edge.status import ERROR_METADATA_KEY
from services.edge.tracing import is_on

_OPTIONS = [
    # What a message may weigh is its server's to say.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A peer that vanished without a word is noticed within 30 s, also between requests and during a long one. Our
    # servers welcome such pings (`grpc_server`); others may end a connection that brings pings and no data.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Services are beside us: a proxy that the environment names for the world outside is not the way to them.
    ("grpc.enable_http_proxy", 0),
    # A service that just came from zero is tried again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Two channels to one address share nothing: the one of a service that ended has no part in its successor's.
    ("grpc.use_local_subchannel_pool", 1),
]

_PAUSES_S = (0.0, 0.1, 0.2, 0.4)
"""Before each time a broken way is tried again. While a revision takes over from another, the way may break."""

Reply = TypeVar("Reply")


def open_channel(address: str, authority: str = "") -> grpc.aio.Channel:
    """Open a channel to host:port; `authority` is the name an ingress knows the service by, where it differs."""
    return grpc.aio.insecure_channel(address, _options(authority), interceptors=_tracing())


def open_blocking_channel(address: str, authority: str = "") -> grpc.Channel:
    """The same for code without an event loop."""
    return grpc.insecure_channel(address, _options(authority))


async def call_over_a_broken_way(call: Callable[[Deadline], Awaitable[Reply]], deadline: Deadline) -> Reply:
    """Make a call, and make it again a few times while the way to the service breaks.

    Only for calls that may be made twice.

    Args:
        call: makes the call once, with the deadline.
    Raises:
        AioRpcError: the service refused, or the way stayed broken, or there was no time to try again.
    """
    for pause_s in _PAUSES_S:
        try:
            return await call(deadline)
        except grpc.aio.AioRpcError as error:
            # Near the deadline, why it broke is worth more than one try more.
            if not way_broke(error) or deadline.passes_within(pause_s):
                raise
        await asyncio.sleep(pause_s)
    return await call(deadline)


def read_reply(reply: Reply | None, peer: str) -> Reply:
    """Return a reply that is one: for bytes that are not the message it expects, grpc.aio gives None and no error.

    Raises:
        Unavailable: it is none; names the peer.
    """
    if reply is None:
        raise Unavailable(f"{peer} answers with something else than the message of its protocol")
    return reply


def way_broke(error: grpc.aio.AioRpcError) -> bool:
    """Tell a broken way from a service that says itself that it is unavailable."""
    said_so = any(key == ERROR_METADATA_KEY for key, _ in error.trailing_metadata() or ())
    return error.code() is grpc.StatusCode.UNAVAILABLE and not said_so


def _tracing() -> list[grpc.aio.ClientInterceptor]:
    if not is_on():
        return []
    from services.edge.grpc_tracing import TracedCalls

    return [TracedCalls()]


def _options(authority: str) -> list[tuple[str, str | int]]:
    return [*_OPTIONS, *([("grpc.default_authority", authority)] if authority else [])]
