"""The pictures of one request as tensors: each decoded once, for all members, a chunk at a time."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import StrataError
from services.zoo.chunks import CHUNK_BYTES, chunk_length
from services.zoo.manifest import InputSpec

Images: TypeAlias = NDArray[np.float32]

Source = TypeVar("Source")
"""What one picture of tensors is made from."""

Prepare: TypeAlias = Callable[[Source, Sequence[InputSpec]], Iterator[Images]]
"""Decodes a picture, a sound, or both, and yields it as [3, H, W], one input spec after the other; raises NotAPicture,
PictureTooLarge, NotASound."""

KEPT_BYTES = 256 * 2**20
"""Chunks kept for members that are behind, of all requests together. Those further behind have theirs made again."""

_ENVELOPE_BYTES = 2**10
"""What a message has around its tensor, at most."""


@dataclass(frozen=True)
class CallLimits:
    """What a model takes in one call; the defaults are those of a model service."""

    max_batch: int = 64
    max_message_bytes: int = 64 * 2**20


class Preparation(Generic[Source]):
    """The tensors of one request.

    Every member asks for its chunks at its own pace: a slow one delays no other, and memory stays bounded. Members with
    one input spec wait for the same tensors, so that none of them may cancel what it waits for: `close` ends the work.
    """

    def __init__(
        self,
        pictures: Sequence[Source],
        specs: Sequence[InputSpec],
        prepare: Prepare[Source],
        pool: Executor,
        limits: Sequence[CallLimits] = (CallLimits(),),
        may_keep_bytes: Callable[[], int] = lambda: KEPT_BYTES,
    ):
        """Prepare nothing yet.

        Args:
            limits: of the models that get the chunks; chunks suit the smallest.
            may_keep_bytes: asked at each new chunk.
        """
        self._pictures = pictures
        self._specs = tuple(dict.fromkeys(specs))
        self._prepare = prepare
        self._pool = pool
        item_bytes = [4 * 3 * spec.size[0] * spec.size[1] for spec in self._specs]
        message_bytes = min(CHUNK_BYTES, *(each.max_message_bytes - _ENVELOPE_BYTES for each in limits))
        self._length = min(chunk_length(max(item_bytes), message_bytes), *(each.max_batch for each in limits))
        self._chunk_bytes = self._length * sum(item_bytes)
        self._may_keep_bytes = may_keep_bytes
        self._chunks: OrderedDict[int, dict[InputSpec, list[Future[Images]]]] = OrderedDict()
        self._wanted: set[InputSpec] = set()
        self._closed = threading.Event()

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-len(self._pictures) // self._length)

    def want(self, spec: InputSpec) -> None:
        """Note that a member will ask for chunks: those of one picture are made together for all that do by then."""
        self._wanted.add(spec)

    async def chunk(self, spec: InputSpec, index: int) -> Images:
        """Return chunk `index` as [n, 3, H, W], n being what every model takes in one call.

        Raises:
            NotAPicture, PictureTooLarge: names the picture by its place in the request.
        """
        self.want(spec)
        chunk = self._chunks.setdefault(index, {})
        self._chunks.move_to_end(index)
        while len(self._chunks) > max(2, self._may_keep_bytes() // self._chunk_bytes):
            self._chunks.popitem(last=False)
        await asyncio.sleep(0)  # others whose turn comes at this moment say so
        if spec not in chunk:
            chunk |= self._start(index, [each for each in self._specs if each in self._wanted and each not in chunk])
        images = [each.result() if each.done() else await asyncio.shield(_heard(each)) for each in chunk[spec]]
        return np.stack(images) if len(images) > 1 else images[0][np.newaxis]

    def close(self) -> None:
        """Prepare no more pictures; for when no member waits for a chunk any longer."""
        self._closed.set()

    def _start(self, index: int, specs: Sequence[InputSpec]) -> dict[InputSpec, list[Future[Images]]]:
        begin = index * self._length
        pictures = self._pictures[begin : begin + self._length]
        futures: dict[InputSpec, list[Future[Images]]] = {spec: [Future() for _ in pictures] for spec in specs}
        for n, picture in enumerate(pictures):
            self._pool.submit(self._prepare_one, begin + n, picture, {spec: futures[spec][n] for spec in specs})
        return futures

    def _prepare_one(self, n: int, picture: Source, futures: Mapping[InputSpec, Future[Images]]) -> None:
        if self._closed.is_set():
            return
        try:
            for future, images in zip(futures.values(), self._prepare(picture, tuple(futures)), strict=True):
                if self._closed.is_set():
                    return
                future.set_result(images)
        except Exception as error:
            named = type(error)(f"picture {n}: {error}") if isinstance(error, StrataError) else error
            for future in futures.values():
                if not future.done():
                    future.set_exception(named)


def _heard(future: Future[Images]) -> asyncio.Future[Images]:
    """Wait in the event loop. Who waits may leave before an error comes: asyncio would log it, a caller's mistake."""
    waiting = asyncio.wrap_future(future)
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
    return waiting
