"""An HTTP server against callers that are slow, leave, send too much or wrongly, or meet its end."""

import asyncio
import gc
import gzip
import json
import logging
import os
import resource
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Query, Request, Response
from prometheus_client import CollectorRegistry
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.edge import errors, http_body, http_connections
from services.edge.http_app import Health, HttpServer, create_app, start_http
from services.edge.http_client import client_options
from services.edge.http_connections import MOST_HEADER_BYTES, Seldom, connection_limit
from services.edge.http_form import is_form, read_form_files

pytestmark = pytest.mark.timeout(60)
MAX_BODY_BYTES = 2_000_000
BIG = b"x" * (2 * http_body.FREE_BYTES)
"""A body that counts before it is whole."""


@dataclass
class Work:
    """What the application does: `/work` and `/unread` wait until they may `go`, and note how each request ended."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    ended: list[str] = field(default_factory=list)

    async def do(self) -> None:
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("answered")

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.01)


def application(work: Work, max_bodies: int) -> FastAPI:
    app = create_app("t", "1", "d", Health(lambda: True), MAX_BODY_BYTES, max_bodies, CollectorRegistry())

    @app.post("/work")
    async def work_(request: Request) -> int:
        length = len(await request.body())
        await work.do()
        return length

    @app.post("/unread")
    async def unread() -> None:
        await work.do()

    @app.post("/length")
    async def length(request: Request, deadline_ms: int = Query(default=0)) -> int:
        return len(await request.body())

    @app.get("/much")
    async def much() -> Response:
        return Response(bytes(20_000_000))

    @app.post("/refuse")
    async def refuse(request: Request) -> None:
        body = await request.body()
        kept = [asyncio.create_task(_fail(body))]
        await asyncio.wait(kept)
        kept[0].result()

    @app.post("/form")
    async def form(request: Request) -> list[int]:
        assert is_form(request.headers)
        return [len(content) for content in (await read_form_files(request, "pictures", most=5))["pictures"]]

    @app.post("/fault")
    async def fault() -> None:
        raise RuntimeError("of ours")

    return app


async def _fail(body: bytes) -> None:
    raise errors.NotAPicture(f"{len(body)} bytes")


@pytest.fixture(autouse=True, params=[H11Protocol, HttpToolsProtocol], ids=["h11", "httptools"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of models and of the console have the first, a machine with Ray the second."""
    monkeypatch.setattr(http_connections, "AutoHTTPProtocol", request.param)


@pytest.fixture
async def work() -> Work:
    return Work()


@asynccontextmanager
async def serving(work: Work, max_bodies: int = 2, grace_s: float = 5.0) -> AsyncIterator[HttpServer]:
    server = await start_http(application(work, max_bodies), "127.0.0.1", 0, grace_s)
    try:
        yield server
    finally:
        work.go.set()
        await server.drain()


@pytest.fixture
async def server(work: Work) -> AsyncIterator[HttpServer]:
    async with serving(work) as server:
        yield server


@pytest.fixture
async def http(server: HttpServer) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(server) as client:
        yield client


def client_of(server: HttpServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=30, **client_options(f"http://127.0.0.1:{server.port}"))


async def connect(server: HttpServer, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


def head(path: str, length: int, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *headers, "", ""]).encode()


async def test_the_body_of_an_answer_does_not_wait_for_its_header_to_be_confirmed(http: httpx.AsyncClient) -> None:
    took_s = []
    for _ in range(60):
        began_s = time.monotonic()
        await http.get("/healthz")
        took_s.append(time.monotonic() - began_s)
    # Linux confirms what it has after 40 ms where nothing more comes; at once on a connection that has just begun.
    assert min(took_s[-10:]) < 0.03


async def test_who_hangs_up_ends_the_work_and_leaves_the_place(server: HttpServer, work: Work) -> None:
    for number in range(1, 6):
        writers = [(await connect(server, head("/work", 1) + b"x"))[1] for _ in range(2)]
        await work.until(lambda number=number: work.begun == 2 * number)  # type: ignore[misc]
        for writer in writers:
            writer.close()
        await work.until(lambda number=number: len(work.ended) == 2 * number)  # type: ignore[misc]
    assert set(work.ended) == {"cancelled"}
    async with client_of(server) as http:
        assert (await http.post("/length", content=BIG)).json() == len(BIG)


async def test_who_hangs_up_on_a_request_without_a_body_ends_its_work(server: HttpServer, work: Work) -> None:
    _, writer = await connect(server, head("/unread", 0))
    await work.until(lambda: work.begun == 1)
    writer.close()
    await work.until(lambda: work.ended == ["cancelled"])


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_upload_broken_off_is_no_incident(
    server: HttpServer, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    form = "Content-Type: multipart/form-data; boundary=b"
    for sent in (b"x", BIG):
        for path in ("/length", "/form"):
            _, writer = await connect(server, head(path, len(BIG) + 1, form) + sent)
            await asyncio.sleep(0.1)
            writer.close()
    assert (await http.post("/length", content=b"abc")).json() == 3
    assert warnings(caplog) == []


async def test_bodies_that_have_sent_little_keep_no_other_out(server: HttpServer, http: httpx.AsyncClient) -> None:
    slow = [await connect(server, head("/length", 1000) + b"x") for _ in range(50)]
    assert (await http.post("/length", content=BIG)).json() == len(BIG)
    for _, writer in slow:
        writer.close()


async def test_more_bodies_than_may_be_are_refused_by_name_and_health_is_answered(
    http: httpx.AsyncClient, work: Work
) -> None:
    running = [asyncio.create_task(http.post("/work", content=BIG)) for _ in range(2)]
    await work.until(lambda: work.begun == 2)
    refused = await http.post("/length", content=b"x")
    assert (refused.status_code, refused.json()["kind"]) == (429, "QueueFull")
    assert (await http.get("/healthz")).status_code == 200
    work.go.set()
    assert [each.json() for each in await asyncio.gather(*running)] == [len(BIG)] * 2
    assert (await http.post("/length", content=b"x")).json() == 1


async def test_once_some_have_ended_a_refusal_says_when_there_will_be_room(http: httpx.AsyncClient, work: Work) -> None:
    await http.post("/length", content=BIG)
    running = [asyncio.create_task(http.post("/work", content=BIG)) for _ in range(2)]
    await work.until(lambda: work.begun == 2)
    refused = await http.post("/length", content=b"x")
    work.go.set()
    await asyncio.gather(*running)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("sent", [b"x", BIG], ids=["one byte", "much"])
async def test_a_body_that_comes_too_slowly_is_given_up(
    sent: bytes, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_body.BodyLimit.__init__, "__defaults__", (0.3,))
    monkeypatch.setattr(http_body, "LEAST_BYTES_PER_S", 2**20)
    async with serving(work) as server:
        reader, writer = await connect(server, head("/length", len(BIG) + 1) + sent)
        answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["kind"] == "BodyTooSlow"
        writer.close()


async def test_a_connection_without_a_whole_request_is_closed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections.http_protocol, "__defaults__", (0.3,))
    async with serving(work) as server:
        for sent in (b"", b"POST /length HTTP/1.1\r\nHost: x\r\nX-a: "):
            reader, writer = await connect(server, sent)
            assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()
        async with client_of(server) as http:
            running = asyncio.create_task(http.post("/work", content=b"x"))
            await work.until(lambda: work.begun == 1)
            await asyncio.sleep(0.6)  # a request under way is not one that is waited for
            work.go.set()
            assert (await running).json() == 1


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\nlong: ",
        b"GET /",
        b"POST /work HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nlong: ",
    ],
    ids=["header", "path", "after the body"],
)
async def test_headers_without_end_are_not_gathered(work: Work, monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(http_connections.http_protocol, "__defaults__", (60.0,))
    async with serving(work) as server:
        reader, writer = await connect(server, start)
        try:
            for _ in range(64):
                writer.write(b"x" * (MOST_HEADER_BYTES // 4))
                await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:  # it was closed while this was sent
            answer = b""
        assert answer[:13] in (b"", b"HTTP/1.1 431 ")
        writer.close()


async def test_headers_that_are_long_are_taken(http: httpx.AsyncClient) -> None:
    answer = await http.get("/healthz", headers={f"header-{n}": "x" * 4000 for n in range(12)})
    assert answer.status_code == 200


async def test_connections_over_the_limit_are_refused_and_the_log_says_so_once(
    work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr("services.edge.http_server.connection_limit", lambda: 3)
    async with serving(work) as server:
        held = [await connect(server, b"") for _ in range(3)]
        for _ in range(20):
            reader, writer = await connect(server, b"")
            assert (await asyncio.wait_for(reader.read(), 20)).startswith(b"HTTP/1.1 503 ")
            writer.close()
        held[0][1].close()
        await asyncio.sleep(0.2)
        async with client_of(server) as http:
            assert (await http.get("/healthz")).status_code == 200
        for _, writer in held:
            writer.close()
    assert len(warnings(caplog)) == 1
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)


async def test_who_reads_nothing_of_an_answer_is_given_up(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.edge.address.STUCK_MS", 300)
    monkeypatch.setattr("services.edge.http_server.connection_limit", lambda: 1)
    async with serving(work) as server, client_of(server) as http, asyncio.timeout(20):
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(("127.0.0.1", server.port))
            stuck.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.1)
            assert (await http.get("/healthz")).status_code == 503
            while (await http.get("/healthz")).status_code != 200:
                await asyncio.sleep(0.05)


async def test_a_lack_of_files_is_logged_once_and_ends_nothing(
    server: HttpServer, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await http.get("/healthz")).status_code == 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    callers = [socket.socket() for _ in range(3)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 4, hard))  # noqa: PTH208
    try:
        with pytest.raises(OSError, match="Too many open files"):
            taken.extend(iter(partial(os.dup, 0), None))
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", server.port))
        await asyncio.sleep(2.5)
        assert (await http.get("/healthz")).status_code == 200
    finally:
        for file in taken:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for caller in callers:
            caller.close()
    (line,) = warnings(caplog)
    assert "cannot take a connection" in line


def test_a_warning_that_comes_again_and_again_is_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    times_s = iter([0.0, 0.0, 1.0, 59.0, 61.0, 61.0])
    seldom = Seldom(lambda: next(times_s))
    for _ in range(4):
        seldom.warn("full")
    assert caplog.messages == ["full", "full (2 more since)"]


def test_connections_take_half_of_the_files_and_no_more_than_4096() -> None:
    assert [connection_limit(files) for files in (1, 64, 1024, 10**6)] == [1, 32, 512, 4096]


async def test_what_a_drain_has_no_time_for_is_refused_in_the_usual_shape(
    work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(work, grace_s=0.3) as server, client_of(server) as http:
        running = asyncio.create_task(http.post("/work", content=b"x"))
        await work.until(lambda: work.begun == 1)
        await server.drain()
        answer = await running
    assert (answer.status_code, answer.json()["kind"]) == (503, "ServiceStopping")
    assert work.ended == ["cancelled"]
    assert "Traceback" not in caplog.text


async def test_a_fault_of_ours_is_logged_once(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = await http.post("/fault")
    assert (answer.status_code, answer.json()["kind"]) == (500, "Internal")
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
async def test_a_compressed_body_is_what_it_becomes(http: httpx.AsyncClient, encoding: str) -> None:
    for body in (b"", b"abc", os.urandom(300_000), b"x" * MAX_BODY_BYTES):
        headers = {"Content-Encoding": encoding}
        assert (await http.post("/length", content=gzip.compress(body), headers=headers)).json() == len(body)
    two = gzip.compress(b"abc") + gzip.compress(b"de")
    assert (await http.post("/length", content=two, headers={"Content-Encoding": encoding})).json() == 5


@pytest.mark.parametrize(
    ("encoding", "body", "status", "kind", "said"),
    [
        ("br", b"abc", 415, "UnknownEncoding", "'br' is not read here"),
        ("gzip, br", b"abc", 415, "UnknownEncoding", "gzip, br"),
        ("deflate", b"abc", 415, "UnknownEncoding", "deflate"),
        ("gzip", b"abc", 400, "InvalidInput", "not gzip"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9], 400, "InvalidInput", "cut short"),
        ("gzip", gzip.compress(b"x" * (MAX_BODY_BYTES + 1)), 413, "TooLarge", "over the limit"),
        ("identity", b"x" * (MAX_BODY_BYTES + 1), 413, "TooLarge", "over the limit"),
    ],
)
async def test_a_body_packed_otherwise_is_refused_by_name(
    http: httpx.AsyncClient, encoding: str, body: bytes, status: int, kind: str, said: str
) -> None:
    answer = await http.post("/length", content=body, headers={"Content-Encoding": encoding})
    assert (answer.status_code, answer.json()["kind"]) == (status, kind)
    assert said in answer.json()["error"]


async def test_a_body_that_becomes_a_hundred_megabytes_is_refused(http: httpx.AsyncClient) -> None:
    body = gzip.compress(bytes(10**8))
    assert len(body) < MAX_BODY_BYTES
    answer = await http.post("/length", content=body, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["kind"]) == (413, "TooLarge")
    assert "over the limit" in answer.json()["error"]


def form_of(*parts: tuple[str, bytes], boundary: str = "b", end: bool = True) -> bytes:
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in parts
    )
    return body + (f"--{boundary}--\r\n".encode() if end else b"")


WHOLE = form_of(("pictures", b"one"), ("pictures", b"three"))


@pytest.mark.parametrize("kind", ["multipart/form-data", "Multipart/Form-Data", "MULTIPART/FORM-DATA"])
async def test_a_forms_type_ignores_case(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/form", content=WHOLE, headers={"Content-Type": f"{kind}; boundary=b"})
    assert answer.json() == [3, 5]


async def test_a_form_cut_off_anywhere_is_refused(http: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    for length in range(len(WHOLE) - 3):  # without the last hyphen and what follows
        answer = await http.post("/form", content=WHOLE[:length], headers=headers)
        assert answer.status_code == 400, length
        assert answer.json()["kind"] in ("InvalidInput", "EmptyBatch")
    assert (await http.post("/form", content=WHOLE[:-2], headers=headers)).json() == [3, 5]


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (form_of(("pictures", b"1"), ("picture", b"2")), "InvalidInput", "part 1 of the form is called 'picture'"),
        (form_of(("file", b"1")), "InvalidInput", "part 0 of the form is called 'file'"),
        (form_of(), "EmptyBatch", "no part called 'pictures'"),
        (form_of(*[("pictures", b"")] * 6), "BatchTooLarge", "more than 5 parts"),
        (form_of(*[("pictures", b"")] * 6).replace(b'; filename="x"', b""), "BatchTooLarge", "more than 5 parts"),
        (WHOLE.replace(b'; filename="x"', b"", 1), "InvalidInput", "part 0 of the form is text"),
        (b"garbage", "InvalidInput", "form"),
        (form_of(("pictures", b"1"), boundary="c"), "InvalidInput", "form"),
    ],
)
async def test_a_form_with_a_fault_is_refused(http: httpx.AsyncClient, content: bytes, kind: str, said: str) -> None:
    answer = await http.post("/form", content=content, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert (answer.status_code, answer.json()["kind"]) == (400, kind)
    assert said in answer.json()["error"]


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/mixed; boundary=b"])
async def test_a_type_of_parts_that_is_no_form_is_refused(http: httpx.AsyncClient, kind: str) -> None:
    answer = await http.post("/form", content=WHOLE, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["kind"]) == (400, "InvalidInput")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("deadline=10", "no query parameter 'deadline'; did you mean 'deadline_ms'?"),
        ("Deadline_ms=10", "did you mean 'deadline_ms'?"),
        ("x=1", "no query parameter 'x'"),
        ("deadline_ms=1&deadline_ms=2", "'deadline_ms' is given twice"),
    ],
)
async def test_a_query_parameter_that_would_be_ignored_is_refused(
    http: httpx.AsyncClient, query: str, said: str
) -> None:
    answer = await http.post(f"/length?{query}", content=b"x")
    assert (answer.status_code, answer.json()["kind"]) == (400, "InvalidInput")
    assert said in answer.json()["error"]
    assert (await http.get(f"/healthz?{query}")).status_code == 200


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_a_refused_body_is_let_go_without_a_full_collection(
    http: httpx.AsyncClient, without_collector: None
) -> None:
    body: Any = os.urandom(MAX_BODY_BYTES)
    await http.post("/refuse", content=body)
    tracemalloc.start()
    try:
        for _ in range(10):
            assert (await http.post("/refuse", content=body)).json()["kind"] == "NotAPicture"
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3 * MAX_BODY_BYTES
