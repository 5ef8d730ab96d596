"""Serve one model: load it, answer requests one forward pass at a time, say what each cost."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.edge.admission import Admission
from services.edge.deadline import Deadline
from services.edge.errors import NotReady
from services.edge.meter import Reading
from services.edge.receipts import Allocation
from services.edge.tracing import note_span
from services.model.computing import Batch, Computation, Forward, Outputs, ReadPicture
from services.model.domain import (
    InferAnswer,
    InferRequest,
    RequestCost,
    batch_of,
    check_address,
)
from services.model.ledger import Claim, Ledger, Part
from services.model.passes import Passes
from services.zoo.manifest import Manifest

_NEVER = Deadline()

_MESSAGE_BYTES = 1000
"""What receiving and answering any request takes, in bytes of its tensors."""


@dataclass(frozen=True)
class _Answer:
    """The outputs of one request, and what they cost."""

    outputs: Outputs
    cost: RequestCost


@dataclass(eq=False)
class _Work:
    """One request on its way through a pass; its answer is cancelled where its caller has gone."""

    batch: Batch | None
    pictures: int
    size_bytes: int
    answer: "asyncio.Future[_Answer]"

    def take(self) -> Batch:
        """Hand the batch over: when its pass has read it, it is freed, and that is on the request's receipt."""
        assert self.batch is not None
        batch, self.batch = self.batch, None
        return batch


@dataclass
class Totals:
    """What all requests so far came to.

    Attributes:
        passes: that requests ran in, alone or together.
        wasted: requests that were computed for nothing: their caller had gone, or their deadline had passed.
        wasted_cpu_s: what they took of the CPU, which no receipt states.
    """

    answered: int = 0
    failed: int = 0
    passes: int = 0
    compute_s: float = 0.0
    cpu_s: float = 0.0
    wasted: int = 0
    wasted_cpu_s: float = 0.0


class Model:
    """One model in this process.

    Forward passes run one after the other on a thread of their own: each uses every CPU of the process's share, so a
    second one at the same time would only slow both down, and the event loop stays free to answer health checks.
    Requests that wait together run in one pass, as far as the manifest's `batching` lets them.
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
        self._computation: Computation | None = None
        self._read_picture = read_picture
        self._max_batch = max_batch
        self.admission = Admission(max_queue, f"requests to model '{manifest.name}'")
        self._read_meter = read_meter
        self._ledger = ledger
        self._passes: Passes[_Work] = Passes(manifest.batching, self._run, lambda work: work.pictures)
        self._cold = True
        self.totals = Totals()

    @property
    def ready(self) -> bool:
        """True once a forward pass has succeeded."""
        return self._computation is not None

    async def load(self) -> None:
        """Load the model and run it once on zeros; ready when that has worked."""
        self._computation = await asyncio.wrap_future(self._passes.call(self._load_and_try))

    async def infer(self, request: InferRequest, deadline: Deadline = _NEVER) -> InferAnswer:
        """Answer one request. One that is cancelled while it waits never runs.

        Args:
            deadline: a pass is not held for others past what it allows.
        Raises:
            InvalidInput, ModelNotFound: the request is refused, see `batch_of`; or a picture is, see `read_picture`.
            NotReady, QueueFull: not now.
            Internal: the model computed scores that are not finite.
        """
        asked = replace(request, inputs=())
        try:
            work = self._work_of(request)
            del request  # what came is held by the work alone
            answer = await self._answer(work, deadline)
        except Exception:
            self.totals.failed += 1
            raise
        cost = answer.cost
        note_span("forward", cost.compute_ms / 1e3, model=asked.model, cold=cost.cold, cpu_seconds=cost.cpu_seconds)
        outputs = tuple(each for each in answer.outputs if each.name in (asked.outputs or (each.name,)))
        return InferAnswer(self.manifest.name, self.manifest.version, asked.id, outputs, cost)

    def _work_of(self, request: InferRequest) -> _Work:
        check_address(self.manifest, request.model, request.version)
        if self._computation is None:
            raise NotReady(f"model '{self.manifest.name}' is loading; ask again when it is ready")
        batch = batch_of(request, self.manifest, self._max_batch)
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        return _Work(batch, len(batch), _MESSAGE_BYTES + _size_bytes(batch), answer)

    async def _answer(self, work: _Work, deadline: Deadline) -> _Answer:
        with self.admission.admit():
            self._ledger.arrive(work.size_bytes, self._read_meter)
            self._passes.put(work, math.inf if deadline.at_s is None else deadline.at_s)
            try:
                return await work.answer
            except asyncio.CancelledError:
                if self._passes.take_back(work):
                    self._ledger.leave(work.size_bytes)
                raise

    def _settle(
        self, works: Sequence[_Work], found: Sequence[Outputs | Exception], before: Reading, after: Reading
    ) -> None:
        """Answer the requests of a pass; each pays its share of it, by pictures. Runs in the event loop."""
        pictures = [
            0 if isinstance(each, Exception) else work.pictures for work, each in zip(works, found, strict=True)
        ]
        if not any(pictures):
            pictures = [work.pictures for work in works]
        shares = [count / sum(pictures) for count in pictures]
        parts = [Part(work.size_bytes, share) for work, share in zip(works, shares, strict=True)]
        claims = self._ledger.claim(parts, before, after)
        self.totals.passes += 1
        for work, outputs, share, claim in zip(works, found, shares, claims, strict=True):
            if isinstance(outputs, Exception) or work.answer.cancelled():
                self._ledger.keep(claim)
            if work.answer.cancelled():
                if not isinstance(outputs, Exception):
                    self.totals.wasted += 1
                    self.totals.wasted_cpu_s += claim.cpu_s
            elif isinstance(outputs, Exception):
                work.answer.set_exception(outputs)
            else:
                self.totals.answered += 1
                self.totals.compute_s += share * (after.wall_s - before.wall_s)
                self.totals.cpu_s += claim.cpu_s
                cost = self._cost(claim, share, before, after)
                work.answer.set_result(_Answer(outputs, replace(cost, pass_pictures=sum(pictures))))

    def _cost(self, claim: Claim, share: float, before: Reading, after: Reading) -> RequestCost:
        cold, self._cold = self._cold, False
        unclaimed = self._ledger.unclaimed()
        return RequestCost(
            compute_ms=(after.wall_s - before.wall_s) * 1e3,
            cpu_seconds=claim.cpu_s,
            resident_bytes=round(share * after.resident_bytes),
            cold=cold,
            cold_cpu_seconds=claim.idle_cpu_s if cold else 0.0,
            allocated_cpu_seconds=claim.allocation.cpu_seconds,
            allocated_gb_seconds=claim.allocation.gb_seconds,
            unclaimed_cpu_seconds=unclaimed.cpu_seconds,
            unclaimed_gb_seconds=unclaimed.gb_seconds,
            pass_number=self.totals.passes,
            pass_largest=self.manifest.batching.largest,
        )

    def unclaimed(self) -> Allocation:
        """Say what this process spent and held that is on no receipt."""
        return self._ledger.rest(self._read_meter())

    def _load_and_try(self) -> Computation:
        forward = self._load()
        forward(np.zeros((1, *self.manifest.input_shape[1:]), np.float32))
        return Computation(self.manifest, forward, self._read_picture)

    def _run(self, works: Sequence[_Work]) -> None:
        assert self._computation
        before = self._read_meter()
        found = self._computation.run([work.take() for work in works])
        after = self._read_meter()
        works[0].answer.get_loop().call_soon_threadsafe(self._settle, works, found, before, after)


def _size_bytes(batch: Batch) -> int:
    return sum(map(len, batch)) if isinstance(batch, list) else batch.nbytes
