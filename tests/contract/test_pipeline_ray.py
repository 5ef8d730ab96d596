"""The same records through the same stages as processes of this machine and on a real Ray: the same answers."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.artifacts.store import ObjectStore, open_store
from services.cli.pipeline_model import choose_cutting
from services.cli.pipeline_ray import stages_on_ray
from services.edge.ray_cluster import start_head
from services.local.stages import local_stages
from services.pipeline.client import StageClient
from services.pipeline.domain import Retry, Stages, job_of
from services.pipeline.driver import run_job
from services.pipeline.job_store import JobStore
from services.pipeline.means import JobStatus, Means
from services.pipeline.packing import name_pictures, pack
from services.pipeline.waking import wake
from services.zoo.model_file import read_model_file
from services.zoo.stage_compile import compile_stages
from tests.contract.collector import collecting
from tests.contract.tiny_program import write_tiny

PICTURES = Path(__file__).parents[2] / "examples" / "fashion" / "pictures"
NAMES = ("stem", "last")
STAGES = "stages: {stem: middle_relu, last: null}"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # Ray's own modules warn of what they use, and leave sockets to the collector.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.asyncio(loop_scope="module"),
]


@dataclass(frozen=True)
class Place:
    """A model, its compiled stages and its records, all below one folder."""

    folder: Path
    folders: list[Path]

    @property
    def store(self) -> ObjectStore:
        return open_store(str(self.folder))

    @property
    def records(self) -> ObjectStore:
        return open_store(str(self.folder / "records"))

    def answers(self, job: str) -> dict[str, bytes]:
        found = {path.name: path.read_bytes() for path in (self.folder / "out" / job / "predictions").iterdir()}
        assert not list((self.folder / "out" / job).glob("activations/*"))
        return found

    async def run(
        self,
        stages: Stages,
        name: str,
        observe: Callable[[JobStatus], None] = lambda _: None,
        records: ObjectStore | None = None,
    ) -> dict[str, Any]:
        means = Means(stages, 2, Retry(random.random, first_s=0.05), time.monotonic, asyncio.sleep, observe)
        store = records or self.records
        jobs = JobStore(open_store(str(self.folder / "out"), create=True), name)
        job = job_of(await wake(means), name, store.url)
        if await jobs.exists():
            job = await jobs.resume(job)
        else:
            await jobs.begin(job)
        return await run_job(means, job, jobs, store)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("ray-data")
    write_tiny(folder, "small", more=STAGES)
    model_file = read_model_file(folder / "small.yaml")
    folders = compile_stages(model_file, choose_cutting(model_file, None, ""), folder / "cache", "onnxruntime")
    named = name_pictures([PICTURES])
    asyncio.run(pack(named, 3, open_store(str(folder / "records"), create=True)))
    return Place(folder, folders)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded(place: Place) -> AsyncIterator[StageClient]:
    named = {each.name: each for each in place.folders}
    async with local_stages(named, [place.store.url], place.folder / "logs", 300.0) as supervisor:
        yield StageClient([partial(supervisor.channel, name) for name in named], 60.0)


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """A Ray head of this process, for all tests: host:port."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        # Two processes for each driver that no actor of ours comes into: they would only be started and ended.
        patch.setenv("RAY_prestart_worker_first_driver", "false")
        patch.setenv("RAY_enable_worker_prestart", "false")
        start_head()
        yield ray.get_runtime_context().gcs_address
        ray.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_ray(place: Place, head: str) -> AsyncIterator[Stages]:
    async with stages_on_ray(place.folders, place.records, place.store, 2, {}) as stages:
        yield stages


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def expected(place: Place, embedded: StageClient) -> dict[str, bytes]:
    await place.run(embedded, "embedded")
    return place.answers("embedded")


async def test_the_command_joins_a_cluster_and_finds_its_stages_in_the_store_and_each_record_has_a_trace(
    place: Place, head: str, expected: dict[str, bytes]
) -> None:
    """Before the tests that share their actors: these take all CPUs."""
    records = open_store(str(place.folder / "given"), create=True)
    for key in await place.records.keys():
        await records.write(key, await place.records.read(key))
    await records.write("foreign.record", b"not a record")
    words = ["pipeline", "run", str(place.folder / "small.yaml"), str(place.folder / "given")]
    words += ["-o", str(place.folder / "out"), "--job", "command", "--runtime", "onnxruntime", "--executor", "ray"]
    command = [sys.executable, "-m", "services.cli", *words]
    async with collecting() as (collector, endpoint):
        environment = {**os.environ, "STRATA_CACHE": str(place.folder / "cache"), "RAY_ADDRESS": head}
        ran = await asyncio.to_thread(
            subprocess.run,
            command,
            env={**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ran.returncode == 3, ran.stderr
    assert "foreign.record: ForeignFile" in ran.stdout
    assert place.answers("command") == expected
    assert len(list((place.folder / "out" / ".stages").glob("*/*/stage.json"))) == len(NAMES)
    traces = {
        name: Counter(span.trace_id for _, span in collector.spans if span.name == name) for name in ("record", "run")
    }
    assert traces["run"].keys() == traces["record"].keys()
    assert sorted(traces["run"].values()) == [1, *[len(NAMES)] * len(expected)]  # what is foreign gets no further


async def test_answers_are_the_embedded_executors_to_the_last_bit(
    place: Place, on_ray: Stages, expected: dict[str, bytes]
) -> None:
    report = await place.run(on_ray, "plain")
    assert place.answers("plain") == expected
    embedded = json.loads((place.folder / "out" / "embedded" / "report.json").read_text())
    assert report.keys() == embedded.keys()
    assert [stage["stage"] for stage in report["stages"]] == list(NAMES)
    for there, here in zip(report["stages"], embedded["stages"], strict=True):
        assert there.keys() == here.keys()
        same = ("requests", "bytes_out", "store_writes", "cold_starts")
        assert [there[each] for each in same] == [here[each] for each in same]
        assert all(there[each] > 0 for each in ("cpu_seconds", "gb_seconds", "seconds", "peak_bytes", "money"))
        assert there["allocation"]["cpu_seconds"] > there["cpu_seconds"]


class Stopped(Exception):
    """The driver ends here."""


def stop_at_first(status: JobStatus) -> None:
    if status.done:
        raise Stopped


async def test_a_job_begun_in_one_place_is_gone_on_with_in_the_other(
    place: Place, embedded: StageClient, on_ray: Stages, expected: dict[str, bytes]
) -> None:
    for name, first, second in (("to-ray", embedded, on_ray), ("from-ray", on_ray, embedded)):
        with pytest.raises(Stopped):
            await place.run(first, name, stop_at_first)
        done = {path: path.stat().st_mtime_ns for path in (place.folder / "out" / name / "done").iterdir()}
        assert 0 < len(done) < len(expected)
        report = await place.run(second, name)
        assert place.answers(name) == expected
        assert {path: path.stat().st_mtime_ns for path in done} == done
        assert [stage["requests"] for stage in report["stages"]] == [len(expected)] * len(NAMES)


async def test_a_poisoned_record_is_set_aside_and_the_others_go_on(
    place: Place, on_ray: Stages, expected: dict[str, bytes]
) -> None:
    damaged = open_store(str(place.folder / "damaged"), create=True)
    good, bad = (await place.records.keys())[:2]
    whole = await place.records.read(bad)
    await damaged.write(good, await place.records.read(good))
    await damaged.write(bad, whole[:-9])
    report = await place.run(on_ray, "poisoned", records=damaged)
    (failed,) = report["failed_records"]
    assert (failed["record"], failed["error"]) == (bad, "DamagedFile")
    assert f"{bad}: cut short" in failed["message"]
    name = f"{Path(good).stem}.jsonl"
    assert place.answers("poisoned") == {name: expected[name]}


async def test_an_actor_that_is_killed_is_started_anew_and_nothing_is_lost(
    place: Place, on_ray: Stages, expected: dict[str, bytes]
) -> None:
    killed: list[int] = []

    def kill(status: JobStatus) -> None:
        if status.done and not killed:
            killed.extend(actors("stem"))
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    report = await place.run(on_ray, "killed", kill)
    assert killed
    assert place.answers("killed") == expected
    assert report["failed_records"] == []
    assert {stage["stage"]: stage["requests"] for stage in report["stages"]} == dict.fromkeys(NAMES, len(expected))


def actors(stage: str) -> list[int]:
    """The processes of a stage's actors, by the name that Ray gives them."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdecimal() and f"MapWorker(Map({stage}))" in (process / "cmdline").read_text():
                found.append(int(process.name))
    return found
