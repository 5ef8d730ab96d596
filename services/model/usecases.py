"""Serve one model: load it, answer requests one forward pass at a time, say what each cost."""

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np

from services.edge.admission import Admission
from services.edge.errors import Internal, NotReady, StrataError
from services.edge.meter import Reading
from services.edge.receipts import Allocation
from services.model.domain import (
    Images,
    InferAnswer,
    InferRequest,
    RequestCost,
    batch_of,
    check_address,
)
from services.model.ledger import Claim, Ledger
from services.model.tensors import Tensor
from services.zoo.chunks import chunk_length
from services.zoo.manifest import Manifest

Forward: TypeAlias = Callable[[Images], Images]
"""[N, C, H, W] -> [N, K]"""

ReadPicture: TypeAlias = Callable[[bytes], Images]
"""An encoded picture -> [C, H, W], decoded, scaled and normalised."""


_MESSAGE_BYTES = 1000
"""What receiving and answering any request takes, in bytes of its tensors."""


@dataclass(frozen=True)
class _Passes:
    """The scores of one request, and the meter before and after."""

    scores: Images
    before: Reading
    after: Reading


@dataclass
class Totals:
    """What all requests so far came to.

    Attributes:
        wasted: requests that were computed for nothing: their caller had gone, or their deadline had passed.
        wasted_cpu_s: what they took of the CPU, which no receipt states.
    """

    answered: int = 0
    failed: int = 0
    compute_s: float = 0.0
    cpu_s: float = 0.0
    wasted: int = 0
    wasted_cpu_s: float = 0.0


class Model:
    """One model in this process.

    Forward passes run one after the other on a thread of their own: each uses every CPU of the process's share, so a
    second one at the same time would only slow both down, and the event loop stays free to answer health checks.
    """

    def __init__(
        self,
        manifest: Manifest,
        load: Callable[[], Forward],
        read_picture: ReadPicture,
        max_batch: int,
        max_queue: int,
        read_meter: Callable[[], Reading],
        ledger: Ledger,
    ):
        self.manifest = manifest
        self._load = load
        self._forward: Forward | None = None
        self._read_picture = read_picture
        self._max_batch = max_batch
        self.admission = Admission(max_queue, f"requests to model '{manifest.name}'")
        self._read_meter = read_meter
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, "forward")
        self._cold = True
        self.totals = Totals()

    @property
    def ready(self) -> bool:
        """True once a forward pass has succeeded."""
        return self._forward is not None

    async def load(self) -> None:
        """Load the model and run it once on zeros; ready when that has worked."""
        self._forward = await asyncio.get_running_loop().run_in_executor(self._thread, self._load_and_try)

    async def infer(self, request: InferRequest) -> InferAnswer:
        """Answer one request. One that is cancelled while it waits never runs.

        Raises:
            InvalidInput, ModelNotFound: the request is refused, see `batch_of`; or a picture is, see `read_picture`.
            NotReady, QueueFull: not now.
            Internal: the model computed scores that are not finite.
        """
        try:
            scores, cost = await self._scores(request)
        except Exception:
            self.totals.failed += 1
            raise
        self.totals.answered += 1
        self.totals.compute_s += cost.compute_ms / 1e3
        self.totals.cpu_s += cost.cpu_seconds
        output = Tensor.of(self.manifest.output_name, scores)
        return InferAnswer(self.manifest.name, self.manifest.version, request.id, (output,), cost)

    async def _scores(self, request: InferRequest) -> tuple[Images, RequestCost]:
        check_address(self.manifest, request.model, request.version)
        if self._forward is None:
            raise NotReady(f"model '{self.manifest.name}' is loading; ask again when it is ready")
        batch = batch_of(request, self.manifest, self._max_batch)
        size_bytes = _MESSAGE_BYTES + _size_bytes(batch)
        with self.admission.admit():
            self._ledger.arrive(size_bytes, self._read_meter)
            submitted = self._thread.submit(self._measured, self._forward, batch)
            work = asyncio.wrap_future(submitted)
            try:
                passes = await asyncio.shield(work)
            except asyncio.CancelledError:
                if submitted.cancel():
                    self._ledger.leave(size_bytes)
                else:
                    work.add_done_callback(partial(self._count_waste, size_bytes))
                raise
            except Exception:
                self._ledger.give_up(size_bytes, self._read_meter())
                raise
        return passes.scores, self._cost(passes, self._ledger.claim(size_bytes, passes.before, passes.after))

    def _cost(self, passes: _Passes, claim: Claim) -> RequestCost:
        cold, self._cold = self._cold, False
        unclaimed = self._ledger.unclaimed()
        return RequestCost(
            compute_ms=(passes.after.wall_s - passes.before.wall_s) * 1e3,
            cpu_seconds=claim.cpu_s,
            resident_bytes=passes.after.resident_bytes,
            cold=cold,
            cold_cpu_seconds=claim.idle_cpu_s if cold else 0.0,
            allocated_cpu_seconds=claim.allocation.cpu_seconds,
            allocated_gb_seconds=claim.allocation.gb_seconds,
            unclaimed_cpu_seconds=unclaimed.cpu_seconds,
            unclaimed_gb_seconds=unclaimed.gb_seconds,
        )

    def unclaimed(self) -> Allocation:
        """Say what this process spent and held that is on no receipt."""
        return self._ledger.rest(self._read_meter())

    def _count_waste(self, size_bytes: int, work: "asyncio.Future[_Passes]") -> None:
        """Of work that no caller waits for any more, when it ends."""
        if work.exception() is not None:
            self._ledger.give_up(size_bytes, self._read_meter())
            return
        passes = work.result()
        self.totals.wasted += 1
        self.totals.wasted_cpu_s += self._ledger.waste(size_bytes, passes.before, passes.after).cpu_s

    def _load_and_try(self) -> Forward:
        forward = self._load()
        forward(np.zeros((1, *self.manifest.input_shape[1:]), np.float32))
        return forward

    def _measured(self, forward: Forward, batch: Images | list[bytes]) -> _Passes:
        before = self._read_meter()
        scores = np.concatenate([forward(chunk) for chunk in self._chunks(batch)])
        after = self._read_meter()
        if not np.isfinite(scores).all():
            raise Internal(f"model '{self.manifest.name}' computed scores that are not finite")
        return _Passes(scores, before, after)

    def _chunks(self, batch: Images | list[bytes]) -> Iterator[Images]:
        step = chunk_length(4 * math.prod(self.manifest.input_shape[1:]))
        for start in range(0, len(batch), step):
            chunk = batch[start : start + step]
            if isinstance(chunk, list):
                yield np.stack([self._read(start + n, picture) for n, picture in enumerate(chunk)])
            else:
                yield chunk

    def _read(self, n: int, picture: bytes) -> Images:
        try:
            return self._read_picture(picture)
        except StrataError as error:
            raise type(error)(f"picture {n}: {error}") from error


def _size_bytes(batch: Images | list[bytes]) -> int:
    return sum(map(len, batch)) if isinstance(batch, list) else batch.nbytes
