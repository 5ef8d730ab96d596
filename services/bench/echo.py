"""Bare hops: a process that answers bytes after a rest, or asks others like it first; `python -m services.bench.echo`.

What an ensemble adds is held against what the same bytes take over the same hops where nothing is done with them. In a
cluster this file and `echo_ray` are mounted into Strata's images, which have what both import.
"""

import asyncio
import json
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from services.edge.grpc_channel import open_channel

Answer: TypeAlias = Callable[[bytes], Awaitable[bytes]]

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
        address: where it listens.
    """

    reply_bytes: int
    rest_s: float = 0.0
    members: Sequence[str] = ()
    member_bytes: int = 0
    address: str = "127.0.0.1:0"


def rested_s(reply: bytes) -> float:
    """How long was rested for an answer."""
    (found,) = _REST.unpack_from(reply)
    return float(found)


async def serve(hop: Hop) -> None:
    """Serve until the process ends; says its port first."""
    await serve_calls(ask_members(hop) if hop.members else _rest(hop), hop.address)


async def serve_calls(answer: Answer, address: str) -> None:
    """Answer calls by what makes a reply of a request; says the port first."""

    async def call(request: bytes, _: Any) -> bytes:
        return await answer(request)

    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(call)
    server.add_registered_method_handlers(SERVICE, {METHOD: handler})
    port = server.add_insecure_port(address)
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def _rest(hop: Hop) -> Answer:
    thread = ThreadPoolExecutor(1)

    def rest() -> float:
        began_s = time.perf_counter()
        time.sleep(hop.rest_s)
        return time.perf_counter() - began_s

    async def call(_: bytes) -> bytes:
        return _reply(hop, await asyncio.get_running_loop().run_in_executor(thread, rest))

    return call


def ask_members(hop: Hop) -> Answer:
    """Ask all members at once; the reply says how long the slowest has rested. Needs a running event loop."""
    calls: list[Any] = [
        open_channel(member, member.rpartition(":")[0]).unary_unary(f"/{SERVICE}/{METHOD}") for member in hop.members
    ]
    sent = bytes(hop.member_bytes)

    async def call(_: bytes) -> bytes:
        replies = await asyncio.gather(*(each(sent) for each in calls))
        return _reply(hop, max(map(rested_s, replies)))

    return call


def _reply(hop: Hop, rested: float) -> bytes:
    return _REST.pack(rested).ljust(hop.reply_bytes, b"\0")


if __name__ == "__main__":
    asyncio.run(serve(Hop(**json.loads(sys.argv[1]))))
