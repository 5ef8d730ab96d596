"""A job as a discrete-event simulation: workers push records through stages, which share CPUs and a store.

Its times come from a profile, so it is calibrated by what was measured; it says what other numbers of workers, other
record sizes, cold starts and a remote store would come to.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import simpy

from services.edge.receipts import GIB, Tariff, Usage, add, price
from services.pipeline.profile import DRIVER_READS, DRIVER_WRITES, STAGE_READS, ChainProfile, StageProfile

Steps: TypeAlias = Generator[simpy.Event, Any, None]
"""What a process of the simulation waits for, one after the other."""


@dataclass(frozen=True)
class Store:
    """An object store at a distance.

    Attributes:
        latency_s: from a request to its first byte.
        bytes_per_s: of one transfer.
        transfers: so many at a time have that; further ones wait.
    """

    latency_s: float
    bytes_per_s: float
    transfers: int


@dataclass(frozen=True)
class Place:
    """Where stages run.

    Attributes:
        cpus: computations at a time, over all stages.
        scales: each record under way at a stage has an instance of its own, which starts from nothing unless an idle
            one is there; else each stage is one running process.
        fresh: the processes are ready, but have not computed anything yet; instances that start are so anyway.
        store: None is the one the profile was measured with.
    """

    cpus: int
    scales: bool = False
    fresh: bool = False
    store: Store | None = None


@dataclass(frozen=True)
class Batch:
    """The work of a job: pictures in records of at most `per_record`, `workers` records under way at a time."""

    pictures: int
    per_record: int
    workers: int

    def records(self) -> list[int]:
        """The pictures of each record."""
        full, rest = divmod(self.pictures, self.per_record)
        return [self.per_record] * full + ([rest] if rest else [])


@dataclass(frozen=True)
class Expectation:
    """What a job is expected to come to.

    Attributes:
        gb_seconds: GiB·s: of each stage its memory times the time that records are with it, starts and waits included.
        money: that, requests, and the store's, driver included.
    """

    time_s: float
    gb_seconds: float
    cold_starts: int
    money: float


def simulate(profile: ChainProfile, batch: Batch, place: Place, tariff: Tariff) -> Expectation:
    """Run the simulation; the same arguments give the same result."""
    return _Simulation(profile, batch, place).run(tariff)


class _Simulation:
    def __init__(self, profile: ChainProfile, batch: Batch, place: Place):
        self._env = simpy.Environment()
        self._profile = profile
        self._batch = batch
        self._place = place
        self._records = iter(batch.records())
        self._cpus = simpy.Resource(self._env, place.cpus)
        self._driver = simpy.Resource(self._env)  # one process, whose event loop does one thing at a time
        self._link = simpy.Resource(self._env, place.store.transfers) if place.store else None
        self._instances = {stage.name: _Instances(self._env, stage.start_s + stage.first_s) for stage in profile.stages}
        self._fresh = {stage.name for stage in profile.stages} if place.fresh and not place.scales else set()
        self._slowdown = _slowdown(profile, batch, place)
        self._gb_seconds = 0.0
        self._usages: list[Usage] = []

    def run(self, tariff: Tariff) -> Expectation:
        workers = min(self._batch.workers, len(self._batch.records()))
        if self._place.scales:
            for each in self._instances.values():
                each.start()  # all stages are woken as the job begins
        self._env.run(self._env.all_of([self._env.process(self._worker()) for _ in range(workers)]))
        usage = replace(add(self._usages), gb_seconds=self._gb_seconds)
        starts = sum(each.starts for each in self._instances.values())
        return Expectation(self._env.now, self._gb_seconds, starts, price(usage, tariff))

    def _worker(self) -> Steps:
        for pictures in self._records:  # one iterator for all, as the driver has it
            for stage in self._profile.stages:
                began_s = self._env.now
                yield from self._stage(stage, pictures)
                self._gb_seconds += stage.memory_bytes / GIB * (self._env.now - began_s)
                self._usages.append(stage.usage(pictures))
            self._usages.append(Usage(store_reads=DRIVER_READS, store_writes=DRIVER_WRITES))
            with self._driver.request() as turn:
                yield turn
                yield self._env.timeout(self._profile.driver_s)

    def _stage(self, stage: StageProfile, pictures: int) -> Steps:
        if not self._place.scales:
            yield from self._compute(stage, pictures)
            return
        instances = self._instances[stage.name]
        yield instances.take()
        yield from self._compute(stage, pictures)
        instances.give_back()

    def _compute(self, stage: StageProfile, pictures: int) -> Steps:
        with self._cpus.request() as cpu:
            yield cpu
            compute_s = self._slowdown * stage.compute_s(pictures)
            if stage.name in self._fresh:
                self._fresh.remove(stage.name)
                compute_s += stage.first_s
            store = self._place.store
            if store is None:
                yield self._env.timeout(compute_s)
                return
            # What it reads and writes goes on beside its computing; a first answer and the last part do not.
            yield self._env.timeout((STAGE_READS + 1) * store.latency_s)
            size_bytes = pictures * (stage.input_bytes + stage.output_bytes)
            transfer = self._env.process(self._transfer(size_bytes, store))
            yield self._env.all_of([self._env.timeout(compute_s), transfer])

    def _transfer(self, size_bytes: float, store: Store) -> Steps:
        assert self._link is not None
        with self._link.request() as turn:
            yield turn
            yield self._env.timeout(size_bytes / store.bytes_per_s)


class _Instances:
    """One stage's instances: a record goes to the first that is free, and one more is started where none is."""

    def __init__(self, env: simpy.Environment, start_s: float):
        self._env = env
        self._start_s = start_s
        self._free = simpy.Store(env)
        self._starting = 0
        self.starts = 0

    def start(self) -> None:
        self.starts += 1
        self._starting += 1
        self._env.process(self._boot())

    def take(self) -> simpy.Event:
        if not self._free.items and len(self._free.get_queue) >= self._starting:
            self.start()
        return self._free.get()

    def give_back(self) -> None:
        self._free.put(None)

    def _boot(self) -> Steps:
        yield self._env.timeout(self._start_s)
        self._starting -= 1
        self._free.put(None)


def _slowdown(profile: ChainProfile, batch: Batch, place: Place) -> float:
    """How much longer computing takes where several CPUs of one machine are busy; other machines share nothing."""
    if place.scales or profile.cpus < 2:
        return 1.0
    busy = min(batch.workers, place.cpus, profile.cpus)
    return 1.0 + (profile.slowdown - 1.0) * (busy - 1) / (profile.cpus - 1)
