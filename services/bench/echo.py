"""Bare hops: a process that answers bytes after a rest, or asks others like it first; `python -m services.bench.echo`.

What an ensemble adds is held against what the same bytes take over the same hops where nothing is done with them.
"""

import asyncio
import json
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from services.edge.grpc_channel import open_channel

SERVICE, METHOD = "bench.Echo", "Call"
_REST = struct.Struct("<d")


@dataclass(frozen=True)
class Hop:
    """What one process does with a call.

    Attributes:
        reply_bytes: of its answer, which begins with how long was rested, in s.
        rest_s: on a thread, as a forward pass is.
        members: addresses of those that are asked first, all at once.
        member_bytes: that each of them is sent.
    """

    reply_bytes: int
    rest_s: float = 0.0
    members: Sequence[str] = ()
    member_bytes: int = 0


def rested_s(reply: bytes) -> float:
    """How long was rested for an answer."""
    (found,) = _REST.unpack_from(reply)
    return float(found)


async def serve(hop: Hop) -> None:
    """Serve until the process ends; says its port first."""
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(_ask_members(hop) if hop.members else _rest(hop))
    server.add_registered_method_handlers(SERVICE, {METHOD: handler})
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def _rest(hop: Hop) -> Callable[[bytes, Any], Awaitable[bytes]]:
    thread = ThreadPoolExecutor(1)

    def rest() -> float:
        began_s = time.perf_counter()
        time.sleep(hop.rest_s)
        return time.perf_counter() - began_s

    async def call(_: bytes, __: Any) -> bytes:
        return _reply(hop, await asyncio.get_running_loop().run_in_executor(thread, rest))

    return call


def _ask_members(hop: Hop) -> Callable[[bytes, Any], Awaitable[bytes]]:
    calls: list[Any] = [open_channel(member).unary_unary(f"/{SERVICE}/{METHOD}") for member in hop.members]
    sent = bytes(hop.member_bytes)

    async def call(_: bytes, __: Any) -> bytes:
        replies = await asyncio.gather(*(each(sent) for each in calls))
        return _reply(hop, max(map(rested_s, replies)))

    return call


def _reply(hop: Hop, rested: float) -> bytes:
    return _REST.pack(rested).ljust(hop.reply_bytes, b"\0")


if __name__ == "__main__":
    asyncio.run(serve(Hop(**json.loads(sys.argv[1]))))
