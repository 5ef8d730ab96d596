"""The object store over a folder and over memory: one behaviour. tests/contract has S3."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.exceptions import GenericError

from services.artifacts.store import PART_BYTES, ObjectStore, open_store, split_url
from services.edge.errors import (
    ArtifactExists,
    ArtifactNotFound,
    InvalidInput,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
    StrataError,
)


async def pieces(*content: bytes) -> AsyncIterator[bytes]:
    for each in content:
        yield each


async def broken() -> AsyncIterator[bytes]:
    yield b"x" * PART_BYTES
    yield b"x" * PART_BYTES
    raise RuntimeError("the writer died")


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path}"
    return open_store(url, create=True)


async def test_what_is_written_is_read_whole_and_in_pieces(store: ObjectStore) -> None:
    await store.write("a/b", b"content")
    assert await store.read("a/b") == store.read_now("a/b") == b"content"
    await store.write_stream("big", pieces(b"x" * PART_BYTES, b"y" * 5))
    found = [piece async for piece in store.stream("big")]
    assert b"".join(found) == b"x" * PART_BYTES + b"y" * 5
    assert await store.keys() == ["a/b", "big"]
    assert await store.keys("a/") == ["a/b"]


async def test_an_object_is_copied_into_a_file(store: ObjectStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096
    await store.write("weights", content)
    read_before = store.use.bytes_read
    await store.copy_out("weights", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    assert store.use.bytes_read - read_before == len(content)
    with pytest.raises(ArtifactNotFound, match="none: no such object"):
        await store.copy_out("none", tmp_path / "none")


async def test_a_folder_gives_pieces_as_they_are_wanted(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    await store.write("big", b"x" * PART_BYTES)
    stream = store.stream("big")
    first = await anext(stream)
    assert len(await stream.asend(10)) == 10
    assert len(await stream.asend(2 * PART_BYTES)) == PART_BYTES - 10 - len(first)
    assert await anext(stream, None) is None


async def test_a_writer_that_dies_leaves_nothing(store: ObjectStore) -> None:
    with pytest.raises(RuntimeError):
        await store.write_stream("half", broken())
    assert not await store.exists("half")
    assert await store.keys() == []


async def test_a_write_that_is_broken_off_leaves_nothing(store: ObjectStore) -> None:
    under_way, goes_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * PART_BYTES
        yield b"x" * PART_BYTES
        under_way.set()
        await goes_on.wait()

    writing = asyncio.create_task(store.write_stream("half", slow()))
    await under_way.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    goes_on.set()  # the thread that writes goes on, and finds the pieces at their end
    await asyncio.get_running_loop().shutdown_default_executor()
    with pytest.raises(ArtifactNotFound):
        store.read_now("half")


async def test_an_object_is_created_once(store: ObjectStore) -> None:
    await store.create("job", b"1")
    with pytest.raises(ArtifactExists, match="job: is there already"):
        await store.create("job", b"2")
    assert await store.read("job") == b"1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Error performing GET http://s3/x in 410.335071ms - error sending request", StoreUnavailable),
        ("Server returned non-2xx status code: 507 Insufficient Storage: ", StoreFull),
    ],
)
async def test_a_number_that_happens_to_stand_in_an_error_is_no_status(
    monkeypatch: pytest.MonkeyPatch, said: str, expected: type[StrataError]
) -> None:
    def fail(*_: object) -> None:
        raise GenericError(said)

    monkeypatch.setattr("obstore.get", fail)
    with pytest.raises(expected):
        await open_store("memory://errors").read("x")


async def test_what_is_not_there_is_named(store: ObjectStore) -> None:
    with pytest.raises(ArtifactNotFound, match="nothing: no such object"):
        await store.read("nothing")
    await store.remove(["nothing"])


async def test_removed_objects_are_gone(store: ObjectStore) -> None:
    for key in "abc":
        await store.write(key, b"")
    await store.remove(["a", "c", "never"])
    assert await store.keys() == ["b"]


async def test_use_is_counted_as_s3_prices_it(store: ObjectStore) -> None:
    counted = store.counting()
    await counted.write("small", b"12345")
    await counted.read("small")
    await counted.write_stream("big", pieces(b"x" * PART_BYTES, b"x" * PART_BYTES, b"y"))
    assert (counted.use.writes, counted.use.bytes_written) == (1 + 5, 5 + 2 * PART_BYTES + 1)
    assert (counted.use.reads, counted.use.bytes_read) == (1, 5)
    assert store.use.reads == 0


def test_a_folder_that_is_only_read_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match="no such folder"):
        open_store(str(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match="file/below"):
        open_store(str(tmp_path / "file" / "below"), create=True)


@pytest.mark.parametrize("url", ["ftp://host/x", "s3://", "s3:///prefix"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="a store is s3://"):
        open_store(url)


@pytest.mark.parametrize(
    "url", ["s3://bucket/a//b", "s3://bucket/../b", "s3://bucket/a\nb"], ids=["empty", "up", "line"]
)
def test_a_prefix_that_no_object_can_have_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="no such store can be opened"):
        open_store(url)


@pytest.mark.parametrize("key", ["a//b", "a/../b", "a\nb"], ids=["empty", "up", "line"])
async def test_a_key_that_no_object_can_have_is_refused(store: ObjectStore, key: str) -> None:
    for call in (store.read(key), store.write(key, b""), store.exists(key), store.keys(f"{key}/")):
        with pytest.raises(InvalidInput, match="not a place in a store"):
            await call


async def test_what_a_writer_raises_is_not_taken_for_a_key(store: ObjectStore) -> None:
    async def wrong() -> AsyncIterator[bytes]:
        yield b"x" * PART_BYTES
        yield b"x" * PART_BYTES
        raise ValueError("no key")

    with pytest.raises(ValueError, match="no key"):
        await store.write_stream("key", wrong())


@pytest.mark.parametrize(
    "endpoint",
    ["minio:9000", "nonsense", "http://:9", "http://host:port", "http://host ", "ftp://host"],
    ids=["bare", "word", "hostless", "port", "space", "ftp"],
)
def test_an_endpoint_that_is_none_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(InvalidInput, match="AWS_ENDPOINT_URL is"):
        open_store("s3://bucket")


def test_an_objects_url_splits_at_its_last_slash() -> None:
    assert split_url("s3://bucket/a/b.record") == ("s3://bucket/a", "b.record")
    for url in ("s3://bucket", "plain", "s3://bucket/"):
        with pytest.raises(InvalidInput):
            split_url(url)
