"""The object store: a folder, a prefix in an S3 bucket, or this process's memory, behind one interface.

The client's own coroutines are not used: its threads may still hold Python objects when the interpreter ends, which
then aborts. Its plain calls, in threads of ours, hold none that outlive them.

Addresses are URLs: `s3://BUCKET/PREFIX`, `memory://NAME`, `file:///FOLDER` or a plain path. S3's endpoint and keys come
from the AWS_* environment.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, S3Store

from services.artifacts.frames import Piece, Pieces
from services.edge.errors import (
    ArtifactExists,
    ArtifactNotFound,
    InvalidInput,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from services.edge.tracing import span_across_pauses

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig

_Client: TypeAlias = LocalStore | MemoryStore | S3Store

PART_BYTES = 8 * 2**20
"""A larger object is written in parts of this size; S3 wants 5 MiB at least."""

_PIECE_BYTES = PART_BYTES // 2
"""What is read at a time."""

_COPIED_BYTES = 2**18
"""What is copied to a file at a time: little enough to stay in the processor's cache."""

_PARTS_AT_A_TIME = 2

_MEMORY: dict[str, MemoryStore] = {}
_NO_BUCKET = ("NoSuchBucket", "InvalidBucketName")
_NO_PLACE = "Could not parse path"
_REFUSED = ("403 Forbidden", "401 Unauthorized", "Read-only file system")
_FULL = ("No space left", "os error 28", "QuotaExceeded", "InsufficientStorage", "507 Insufficient Storage")


@dataclass
class StoreUse:
    """What was asked of a store: requests that read and that write, as S3 prices them, and bytes."""

    reads: int = 0
    writes: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


class ObjectStore:
    """Objects by key below one URL. An object is there whole or not at all, whatever happens while it is written.

    Raises, whatever is called:
        ArtifactNotFound: no such object or bucket.
        InvalidInput: no object can have that key.
        StoreRefused: the keys do not allow it, or the store may only be read.
        StoreFull: nothing more fits.
        StoreUnavailable: it did not answer.
    """

    def __init__(self, url: str, client: _Client, use: StoreUse | None = None):
        self.url = url
        self.use = use or StoreUse()
        self._client = client

    def counting(self) -> "ObjectStore":
        """The same store with a count of its own."""
        return ObjectStore(self.url, self._client)

    def url_of(self, key: str) -> str:
        """The URL of one object."""
        return f"{self.url.rstrip('/')}/{key}"

    def key_of(self, url: str) -> str:
        """The key of an object of this store by its URL."""
        return url.removeprefix(self.url_of(""))

    async def read(self, key: str) -> bytes:
        """Read an object whole."""
        with self._naming("read", key):
            content = await asyncio.to_thread(lambda: bytes(obstore.get(self._client, key).bytes()))
        self._count_read(len(content))
        return content

    def read_now(self, key: str) -> bytes:
        """Read an object whole, without an event loop."""
        with self._naming("read", key):
            content = bytes(obstore.get(self._client, key).bytes())
        self._count_read(len(content))
        return content

    async def stream(self, key: str) -> Pieces:
        """Read an object piece by piece; of a folder, in pieces as its reader wants them."""
        with self._naming("read", key):
            self._count_read(0)
            pieces = self._open_stream(key)
            wanted_bytes: int | None = None
            while (piece := await asyncio.to_thread(_sent, pieces, wanted_bytes)) is not None:
                self.use.bytes_read += len(piece)
                wanted_bytes = yield piece

    async def copy_out(self, key: str, path: Path) -> None:
        """Copy an object into a file: in one thread, at half the CPU time of a stream, whose pieces change threads."""
        with self._naming("read", key):
            size_bytes = await asyncio.to_thread(self._copy_out_now, key, path)
        self._count_read(size_bytes)

    async def write(self, key: str, content: bytes) -> None:
        """Write an object, in place of any that was there."""
        with self._naming("write", key):
            await asyncio.to_thread(obstore.put, self._client, key, content, use_multipart=False)
        self._count_write(len(content))

    async def create(self, key: str, content: bytes) -> None:
        """Write an object that must not be there yet. Raises ArtifactExists."""
        with self._naming("write", key):
            try:
                await asyncio.to_thread(obstore.put, self._client, key, content, use_multipart=False, mode="create")
            except AlreadyExistsError as error:
                raise ArtifactExists(f"{self.url_of(key)}: is there already") from error
        self._count_write(len(content))

    async def write_stream(self, key: str, pieces: AsyncIterator[Piece]) -> None:
        """Write an object piece by piece; where `pieces` raises, or this is cancelled, nothing is written."""
        begin: list[Piece] = []
        size_bytes = 0
        async for piece in pieces:
            begin.append(piece)
            size_bytes += len(piece)
            if size_bytes > PART_BYTES:
                break
        else:
            await self.write(key, b"".join(begin))  # one request, where parts take two more than they are
            return
        loop = asyncio.get_running_loop()
        broken_off = False

        def pulled() -> Iterator[Piece]:
            nonlocal size_bytes
            yield from begin
            begin.clear()
            while (piece := asyncio.run_coroutine_threadsafe(_next(pieces), loop).result()) is not None:
                if broken_off:
                    break
                size_bytes += len(piece)
                yield piece
            if broken_off:
                raise InterruptedError(f"{key}: the write was broken off")

        with self._naming("write", key):
            try:
                await asyncio.to_thread(
                    obstore.put, self._client, key, pulled(), chunk_size=PART_BYTES, max_concurrency=_PARTS_AT_A_TIME
                )
            except asyncio.CancelledError:
                broken_off = True  # the thread goes on; that `pieces` end now does not mean that they are whole
                raise
        self._count_write(size_bytes)

    async def exists(self, key: str) -> bool:
        """Tell whether an object is there."""
        self._count_read(0)
        try:
            with self._naming("look up", key):
                await asyncio.to_thread(obstore.head, self._client, key)
        except ArtifactNotFound:
            return False
        return True

    async def modified(self, key: str) -> datetime:
        """When an object was last written, by the store's clock; S3's counts whole seconds."""
        self._count_read(0)
        with self._naming("look up", key):
            found = await asyncio.to_thread(obstore.head, self._client, key)
        return found["last_modified"]

    async def keys(self, prefix: str = "") -> list[str]:
        """List the keys below a prefix, which ends at a slash, sorted."""
        found: list[str] = []
        with self._naming("list", prefix):
            for batch in await asyncio.to_thread(lambda: list(obstore.list(self._client, prefix or None))):
                self._count_read(0)
                found += [each["path"] for each in batch]
        return sorted(found)

    async def remove(self, keys: list[str]) -> None:
        """Remove objects; those that are not there are left alone."""
        if not keys:
            return
        with self._naming("remove", keys[0]):
            await asyncio.to_thread(self._remove_now, keys)

    def _copy_out_now(self, key: str, path: Path) -> int:
        with path.open("wb", buffering=0) as file:
            for piece in self._open_stream(key, _COPIED_BYTES):
                file.write(piece)
            return file.tell()

    def _open_stream(self, key: str, least_bytes: int = _PIECE_BYTES) -> Generator[Piece, int | None, None]:
        found = obstore.get(self._client, key)
        if not isinstance(self._client, LocalStore):
            for piece in found.stream(min_chunk_size=least_bytes):  # noqa: UP028  # it cannot be sent what is wanted
                yield piece
            return
        # The client streams a file in pieces of 8 KiB, each by another thread: eight times the CPU time of a range.
        size_bytes, written = found.meta["size"], found.meta["e_tag"]
        start, wanted_bytes = 0, None
        while start < size_bytes:
            end = min(start + (wanted_bytes or _PIECE_BYTES), size_bytes)
            part: GetOptions = {"range": (start, end), "if_match": written}
            wanted_bytes = yield memoryview(obstore.get(self._client, key, options=part).bytes())
            start = end

    def _remove_now(self, keys: list[str]) -> None:
        try:
            obstore.delete(self._client, keys)
        except FileNotFoundError:
            for key in keys:
                with suppress(FileNotFoundError):
                    obstore.delete(self._client, key)

    def _count_read(self, size_bytes: int) -> None:
        self.use.reads += 1
        self.use.bytes_read += size_bytes

    def _count_write(self, size_bytes: int) -> None:
        self.use.writes += requests_to_write(size_bytes)
        self.use.bytes_written += size_bytes

    @contextmanager
    def _naming(self, verb: str, key: str) -> Iterator[None]:
        """Note a span, and turn what the client raises into errors of ours that name the object."""
        url = self.url_of(key)
        try:
            with span_across_pauses(f"store {verb}", url=url):
                yield
        except FileNotFoundError as error:
            what = "no such bucket" if "NoSuchBucket" in str(error) else "no such object"
            raise ArtifactNotFound(f"{url}: {what}") from error
        except AlreadyExistsError as error:
            # S3's 409: another change was under way. Its client asks again by itself after other answers, not this one.
            raise StoreUnavailable(f"{url}: the object store was at another change: {_first_line(error)}") from error
        except ValueError as error:  # whoever gives the pieces of a write may have raised it as well
            if _NO_PLACE not in str(error):
                raise
            raise InvalidInput(f"{url}: not a place in a store: {_first_line(error)}") from error
        except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
            raise StoreRefused(f"{url}: the store does not allow it: {_first_line(error)}") from error
        except (BaseError, OSError) as error:
            if any(sign in str(error) for sign in _FULL):
                raise StoreFull(f"{url}: the store is full; make room and go on: {_first_line(error)}") from error
            if any(sign in str(error) for sign in _NO_BUCKET):
                raise ArtifactNotFound(f"{url}: no such bucket") from error
            if any(sign in str(error) for sign in _REFUSED):
                raise StoreRefused(f"{url}: the store does not allow it: {_first_line(error)}") from error
            raise StoreUnavailable(f"{url}: the object store did not answer: {_first_line(error)}") from error


def open_store(url: str, create: bool = False) -> ObjectStore:
    """Open the store below a URL or path.

    Args:
        create: make a folder that is missing; buckets are never made.
    Raises:
        InvalidInput: a scheme that is not supported, an S3 URL without a bucket or with a prefix that none can have, or
            an endpoint in the environment that is none.
        ArtifactNotFound: a folder is missing.  StoreRefused: it cannot be made.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _open_folder(Path(url), create)
    if scheme == "file":
        return _open_folder(Path(rest), create)
    if scheme == "memory":
        return ObjectStore(url, _MEMORY.setdefault(rest, MemoryStore()))
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise InvalidInput(f"'{url}': a store is s3://BUCKET/PREFIX, memory://NAME, file:///FOLDER or a path")
    try:
        return ObjectStore(url, _open_bucket(bucket, prefix.strip("/")))
    except (ValueError, BaseError) as error:
        raise InvalidInput(f"'{url}': no such store can be opened: {_first_line(error)}") from error


def requests_to_write(size_bytes: int) -> int:
    """Count the requests that one object takes: more than one where it goes in parts, begun and completed."""
    parts = -(-size_bytes // PART_BYTES)
    return 1 if parts <= 1 else parts + 2


def split_url(url: str) -> tuple[str, str]:
    """Split an object's URL into its store's and its key: at the last slash. Raises InvalidInput."""
    store, _, key = url.rpartition("/")
    if not store or not key or store.endswith((":", "/")):
        raise InvalidInput(f"'{url}': not the URL of an object")
    return store, key


def _sent(pieces: Generator[Piece, int | None, None], wanted_bytes: int | None) -> Piece | None:
    try:
        return pieces.send(wanted_bytes)
    except StopIteration:
        return None


async def _next(pieces: AsyncIterator[Piece]) -> Piece | None:
    return await anext(pieces, None)


def _open_folder(path: Path, create: bool) -> ObjectStore:
    folder = path.expanduser().absolute()
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise ArtifactNotFound(f"{folder}: no such folder")
    except OSError as error:
        raise StoreRefused(f"{folder}: {error.strerror}") from error
    return ObjectStore(f"file://{folder}", LocalStore(prefix=folder, automatic_cleanup=True))


def _open_bucket(bucket: str, prefix: str) -> S3Store:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
    name, endpoint = next(((name, url) for name in names if (url := os.environ.get(name))), ("", ""))
    if endpoint and not _is_endpoint(endpoint):  # the client would end with a panic of its own
        raise InvalidInput(f"{name} is '{endpoint}': an S3 server is http://HOST:PORT, or https://HOST")
    options: ClientConfig = {"allow_http": True} if endpoint.startswith("http://") else {}
    retries = {"max_retries": 3}
    return S3Store(bucket, prefix=prefix or None, client_options=options, retry_config=retries)  # type: ignore[arg-type]


def _is_endpoint(url: str) -> bool:
    try:
        place = urlsplit(url)
        has_port = place.port != 0
    except ValueError:
        return False
    return place.scheme in ("http", "https") and bool(place.hostname) and has_port and not re.search(r"\s", url)


def _first_line(error: Exception) -> str:
    """What the client says first, and what S3 answered it."""
    answer = re.search(r"<Code>(.*?)</Code>(?:<Message>(.*?)</Message>)?", str(error))
    said = f" {answer[1]}: {answer[2] or ''}" if answer else ""
    return f"{str(error).partition(chr(10))[0].partition(' <?xml')[0]}{said}"
