"""The object store over a real S3 server: one behaviour with folders and memory, and each refusal by its name."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.artifacts.store import PART_BYTES, open_store
from services.edge.errors import ArtifactExists, ArtifactNotFound, StoreRefused, StoreUnavailable
from tests.contract.s3_server import s3_server
from tests.small_web import QuietHandler, address_of, small_web


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for each in content:
        yield each


async def broken() -> AsyncIterator[bytes]:
    yield b"x" * PART_BYTES
    yield b"x" * PART_BYTES
    raise RuntimeError("the writer died")


async def test_s3_keeps_objects_whole_and_refuses_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path / "buckets") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store = open_store("s3://pictures/below")
        await store.write("a/small", b"content")
        await store.write_stream("big", pieces(b"x" * PART_BYTES, b"y" * 5))
        assert await store.read("a/small") == store.read_now("a/small") == b"content"
        assert b"".join([piece async for piece in store.stream("big")]) == b"x" * PART_BYTES + b"y" * 5
        await store.copy_out("big", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b"x" * PART_BYTES + b"y" * 5
        assert await store.keys() == ["a/small", "big"]
        assert (store.use.writes, store.use.bytes_written) == (1 + 4, 7 + PART_BYTES + 5)
        with pytest.raises(RuntimeError):
            await store.write_stream("half", broken())
        assert not await store.exists("half")
        await store.create("job", b"1")
        with pytest.raises(ArtifactExists):
            await store.create("job", b"2")
        await store.remove(["a/small", "never"])
        with pytest.raises(ArtifactNotFound, match="no such object"):
            await store.read("a/small")
        with pytest.raises(ArtifactNotFound, match="no such bucket"):
            await open_store("s3://missing").write("x", b"")
        with pytest.raises(ArtifactNotFound, match="no such bucket"):
            await open_store("s3://missing").keys()
        with pytest.raises(ArtifactNotFound, match="no such bucket"):
            await open_store("s3://x").write("a bucket's name has three letters at least", b"")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        for refused in (open_store("s3://pictures").keys("x/"), open_store("s3://pictures").write("x", b"")):
            with pytest.raises(StoreRefused, match="the store does not allow it"):
                await refused
    with s3_server(tmp_path / "buckets", "--readonly") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert await open_store("s3://pictures/below").read("job") == b"1"
        with pytest.raises(StoreRefused):
            await open_store("s3://pictures/below").write("job", b"2")
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await open_store("s3://pictures/below").read("job")


class _Conflict(QuietHandler):
    """S3 while another change of the object is under way."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<Error><Code>OperationAborted</Code><Message>try again</Message></Error>"
        self.send_response(409)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


async def test_a_conflict_over_an_object_that_may_be_replaced_is_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    with small_web(_Conflict) as server:
        keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
        for name, value in {**keys, "AWS_ENDPOINT_URL": address_of(server)}.items():
            monkeypatch.setenv(name, value)
        for writing in (open_store("s3://pictures").write("x", b"1"), _stream_one("s3://pictures")):
            with pytest.raises(StoreUnavailable, match="s3://pictures/x: the object store was at another change"):
                await writing


async def _stream_one(url: str) -> None:
    await open_store(url).write_stream("x", pieces(b"1"))
