"""Run records through one stage: read, compute, write, say what it took."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from services.artifacts.activation import (
    Header,
    PictureState,
    StageOutcome,
    read_activation,
    write_header,
    write_outcome,
    write_values,
)
from services.artifacts.frames import Piece
from services.artifacts.precision import Encoding, Values
from services.artifacts.store import ObjectStore, StoreUse, requests_to_write
from services.edge.admission import Admission
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    ForeignFile,
    NotReady,
    OtherChain,
    OtherVersion,
    Unsupported,
)
from services.edge.receipts import ReceiptLine, Usage
from services.stage.domain import (
    RunAnswer,
    RunRequest,
    ValuesAnswer,
    check_header,
    check_request,
    check_values,
    lies_in,
    micro_batch_length,
    output_header,
)
from services.stage.engine import ReadPicture, StageEngine
from services.stage.shared_meter import Share, SharedMeter
from services.stage.source import Batch, batches, one_ahead
from services.zoo.serving import Forward
from services.zoo.stage_manifest import StageManifest

OpenStore: TypeAlias = Callable[[str], ObjectStore]
"""By its URL."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageLimits:
    """What a stage may do at a time.

    Attributes:
        stores: begins of the URLs it may read and write.
        concurrency: records computed at a time; the others wait.
        waiting: records that are computed or wait; one more is refused.
        micro_batch: pictures computed at a time, where the memory holds them.
        memory_bytes: of this process, or infinity.
    """

    stores: tuple[str, ...]
    concurrency: int
    waiting: int
    micro_batch: int
    memory_bytes: float


@dataclass
class Bill:
    """What one computation takes, and at its end how it ended."""

    share: Share
    inputs: StoreUse
    outputs: StoreUse
    written_bytes: int = 0
    taken: Share = field(default_factory=Share)
    outcome: StageOutcome | None = None

    def count(self, piece: Piece) -> Piece:
        """Count a piece that is written."""
        self.written_bytes += len(piece)
        return piece

    def usage(self, cold: bool) -> Usage:
        """Sum up: all but the activation's last piece, which carries the sum."""
        return replace(
            _usage(self.taken, cold),
            bytes_in=self.inputs.bytes_read,
            bytes_out=self.written_bytes,
            store_reads=self.inputs.reads + self.outputs.reads,
            store_writes=requests_to_write(self.written_bytes),
        )


def _usage(taken: Share, cold: bool) -> Usage:
    """What a call took of the process; the process's first has what starting it took beside."""
    start_s = taken.before.cpu_seconds if cold else 0.0
    return Usage(1, taken.cpu_seconds, taken.gb_seconds, cold_cpu_seconds=start_s)


class Stage:
    """One stage in this process. What is asked for twice at a time is computed once."""

    def __init__(
        self,
        manifest: StageManifest,
        load: Callable[[], Forward],
        read_picture: ReadPicture,
        open_store: OpenStore,
        limits: StageLimits,
        meter: SharedMeter,
        resident_bytes: Callable[[], int],
        peak_bytes: Callable[[], int],
    ):
        self.manifest = manifest
        self._load = load
        self._engine: StageEngine | None = None
        self._read_picture = read_picture
        self._open_store = open_store
        self._limits = limits
        self._meter = meter
        self._resident_bytes = resident_bytes
        self._peak_bytes = peak_bytes
        self._micro_batch = limits.micro_batch
        self._threads = ThreadPoolExecutor(limits.concurrency, "forward")
        self._turns = asyncio.Semaphore(limits.concurrency)
        self._cold = True
        self._stores: dict[str, ObjectStore] = {}
        self._running: dict[str, asyncio.Task[RunAnswer]] = {}
        self.admission = Admission(limits.waiting, f"records at stage {manifest.name}")

    @property
    def ready(self) -> bool:
        """True once a forward pass has succeeded."""
        return self._engine is not None

    async def load(self) -> None:
        """Load the stage and run it once on zeros; ready when that has worked.

        Raises:
            MemoryTooSmall: the memory does not hold one picture beside the stage.
        """
        forward = await asyncio.get_running_loop().run_in_executor(self._threads, self._load)
        zeros = np.zeros((1, *self.manifest.input_shape), np.float32)
        await asyncio.get_running_loop().run_in_executor(self._threads, forward, zeros)
        self._micro_batch = micro_batch_length(
            self._limits.micro_batch,
            self.manifest,
            self._limits.concurrency,
            self._limits.memory_bytes,
            self._resident_bytes(),
        )
        self._engine = StageEngine(self.manifest, forward, self._read_picture)

    async def run(self, request: RunRequest) -> RunAnswer:
        """Compute one record's activation, or find it computed.

        A caller that goes away leaves its computation running: the next one who asks finds it.

        Raises:
            OtherChain, InvalidInput, NotReady, QueueFull: the request is refused.
            ForeignFile, OtherVersion, DamagedFile, ArtifactNotFound: the input is not what this stage takes.
            StoreRefused, StoreFull, StoreUnavailable: as the store.
            Internal: the model computed scores that are not finite.
            Unsupported: its values are over what the precision holds.
        """
        check_request(request, self.manifest, self._limits.stores)
        engine = self._ready_engine()
        running = self._running.get(request.output_url)
        if running is None:
            running = self._running[request.output_url] = asyncio.create_task(self._compute_once(request, engine))
        return await asyncio.shield(running)

    async def infer(self, chain: str, values: Values) -> ValuesAnswer:
        """Compute the values of a few pictures, without the store.

        Raises:
            OtherChain, ShapeMismatch, EmptyBatch, NotReady, QueueFull: the request is refused.
            Internal: the model computed scores that are not finite.
        """
        check_values(chain, values, self.manifest)
        engine = self._ready_engine()
        with self.admission.admit():
            async with self._turns:
                share = self._meter.begin()
                cold, self._cold = self._cold, False
                try:
                    found, compute_ms = await asyncio.get_running_loop().run_in_executor(
                        self._threads, engine.infer, values, self._micro_batch
                    )
                    taken = self._meter.claim(share)
                finally:
                    self._meter.end(share)
        line = ReceiptLine(self.manifest.name, _usage(taken, cold), 0.0, taken.allocation)
        return ValuesAnswer(found, line, compute_ms, cold)

    def _ready_engine(self) -> StageEngine:
        if self._engine is None:
            raise NotReady(f"stage {self.manifest.name} of model '{self.manifest.model}' is loading; ask again soon")
        return self._engine

    async def _compute_once(self, request: RunRequest, engine: StageEngine) -> RunAnswer:
        try:
            with self.admission.admit():
                async with self._turns:
                    return await self._find_or_compute(request, engine)
        finally:
            del self._running[request.output_url]

    async def _find_or_compute(self, request: RunRequest, engine: StageEngine) -> RunAnswer:
        outputs, output_key = self._locate(request.output_url)
        header = output_header(self.manifest, request.precision)
        if found := await self._find(outputs, output_key, header):
            return RunAnswer(found, reused=True)
        inputs, input_key = self._locate(request.input_url)
        bill = Bill(self._meter.begin(), inputs.use, outputs.use)
        try:
            await outputs.write_stream(output_key, self._activation(engine, inputs, input_key, header, bill))
        except BaseException:
            self._meter.give_back(bill.taken)
            raise
        finally:
            self._meter.end(bill.share)
        assert bill.outcome is not None
        return RunAnswer(bill.outcome, reused=False)

    async def _activation(
        self, engine: StageEngine, inputs: ObjectStore, key: str, header: Header, bill: Bill
    ) -> AsyncIterator[Piece]:
        """Compute an activation, piece by piece; the next micro-batch is read while one is computed."""
        loop = asyncio.get_running_loop()
        cold, self._cold = self._cold, False
        states: list[PictureState] = []
        yield bill.count(write_header(header))
        async for batch in one_ahead(batches(inputs, key, self.manifest, self._micro_batch, states)):
            pieces, decoded = await loop.run_in_executor(self._threads, self._computed, engine, batch, header.precision)
            states += decoded
            for piece in pieces:
                yield bill.count(piece)
        bill.taken = self._meter.claim(bill.share)
        line = ReceiptLine(self.manifest.name, bill.usage(cold), 0.0, bill.taken.allocation)
        bill.outcome = StageOutcome(tuple(states), line, self._peak_bytes(), cold)
        yield write_outcome(bill.outcome)

    def _computed(
        self, engine: StageEngine, batch: Batch, precision: Encoding
    ) -> tuple[Sequence[Piece], Sequence[PictureState]]:
        """Compute a micro-batch as it is written: in one call, as its values are in the processor's cache by then."""
        values, decoded = engine.compute(batch)
        try:
            return (() if values is None else write_values(values, precision)), decoded
        except Unsupported as error:
            raise Unsupported(f"stage {self.manifest.name} of model '{self.manifest.model}': {error}") from None

    def _locate(self, url: str) -> tuple[ObjectStore, str]:
        """Find the store that a URL lies in, with a count of its own, and the key there."""
        begin = next(begin for begin in self._limits.stores if lies_in(url, begin))
        if begin not in self._stores:
            self._stores[begin] = self._open_store(begin)
        return self._stores[begin].counting(), url[len(begin.rstrip("/")) + 1 :]

    async def _find(self, store: ObjectStore, key: str, header: Header) -> StageOutcome | None:
        """Read the outcome of an activation of this stage that is there and whole; any other is computed anew."""
        url = store.url_of(key)
        try:
            async for part in read_activation(store.stream(key), url):
                if isinstance(part, Header):
                    check_header(part, header, url)
                elif isinstance(part, StageOutcome):
                    return part
        except ArtifactNotFound:
            return None
        except (DamagedFile, ForeignFile, OtherVersion, OtherChain) as error:
            _log.warning("computing anew: %s", error)
        return None
