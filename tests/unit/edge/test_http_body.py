"""A body in gzip is unpacked in pieces, whatever it becomes: what is held does not grow with it."""

import asyncio
import gzip
import os
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from services.edge.http_body import BodyLimit

MIB = 1 << 20


def received(sent: Sequence[bytes], max_bytes: int) -> tuple[list[bytes], int]:
    """The pieces that an application is given of a body that comes in pieces, and the status of the answer."""
    pieces, statuses = list[bytes](), list[int]()
    coming = iter([{"type": "http.request", "body": each, "more_body": True} for each in sent[:-1]])

    async def app(_: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "http.request":
            pieces.append(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return next(coming, {"type": "http.request", "body": sent[-1], "more_body": False})

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    headers = [(b"content-encoding", b"gzip"), (b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "path": "/", "headers": headers}
    asyncio.run(BodyLimit(app, max_bytes, 4)(scope, receive, send))
    return pieces, statuses[0]


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 9 * MIB + 7])
@pytest.mark.parametrize("cut", [1, 3])
def test_it_comes_in_pieces_and_whole(size: int, cut: int) -> None:
    body = os.urandom(min(size, MIB // 2)) + bytes(max(0, size - MIB // 2))
    packed = gzip.compress(body[: size // 3]) + gzip.compress(body[size // 3 :])
    step = -(-len(packed) // cut)
    pieces, status = received([packed[at : at + step] for at in range(0, len(packed), step)], 10 * MIB)
    assert status == 200
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= MIB


def test_a_bomb_is_refused_at_the_limit() -> None:
    pieces, status = received([gzip.compress(bytes(64 * MIB))], 8 * MIB)
    assert status == 413
    assert sum(map(len, pieces)) <= 8 * MIB
    assert max(map(len, pieces)) <= MIB


@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_one_that_is_cut_short_is_refused(size: int) -> None:
    assert received([gzip.compress(bytes(size))[:-9]], 8 * MIB)[1] == 400


def test_one_of_many_members_that_hold_nothing_is_refused_before_it_takes_long() -> None:
    nothing = gzip.compress(b"")
    assert received([nothing * 5000, nothing * 5000], MIB) == ([b"", b""], 200)
    assert received([nothing * 5000, nothing * 5001], MIB) == ([b""], 400)
