"""The chain's start from zero on Knative, as the driver does it: all wake at once, and a record goes ahead."""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from services.artifacts.precision import Encoding
from services.artifacts.store import open_store
from services.bench.cluster import Cluster, chart_values, least_start_s
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_subject import RUNTIME, Figures
from services.bench.rounds import Spread, with_spread
from services.edge.progress import Progress
from services.pipeline.client import open_stages
from services.pipeline.domain import Retry
from services.pipeline.job_store import JobStore, record_keys
from services.pipeline.means import Means
from services.pipeline.waking import sent_ahead, waking

RELEASE = "bench"
_PIPELINE = "alexnet"
_JOB = "cold"
STAGES = {"conv-1": "conv_1", "conv-2": "conv_2", "conv-3": "conv_3", "fc": None}
_MEMORY = {"conv-1": "768Mi", "conv-2": "384Mi", "conv-3": "384Mi", "fc": "768Mi"}
_PICTURES = 16
_ROUNDS = 5
_LONGEST_S = 300.0
_CONTAINER = "stage"


@dataclass(frozen=True)
class KnativePlace:
    """The cluster, and the images of the chart."""

    cluster: Cluster
    images: Mapping[str, str]
    quick: bool
    progress: Progress


def cold_chain(place: KnativePlace) -> Iterator[Figures]:
    """The chain from zero, over its slowest stage alone from zero or all stages' CPU-seconds over the cores."""
    place.cluster.check_images([*place.images.values(), _store_image()])
    place.cluster.install(RELEASE, _values(place.images))
    with _store_environment(place.cluster):
        rounds = 1 if place.quick else _ROUNDS
        starts = asyncio.run(_measure(place, rounds))
    for stage, alone in starts.alone.items():
        yield {
            f"cold_s.{stage}": alone.median,
            f"cold_cpu_s.{stage}": starts.cpu_s[stage].median,
            f"cold_node_s.{stage}": starts.node_s[stage].median,
        }
    cores = place.cluster.cores()
    slowest_s, work_s = least_start_s(starts.alone, starts.cpu_s, cores)
    _, node_work_s = least_start_s(starts.alone, starts.node_s, cores)
    yield {"cold_s.chain": starts.chain.median, "cold_s.work": work_s, "cold_s.node_work": node_work_s}
    yield with_spread("cold_chain", starts.chain.over(max(slowest_s, work_s)))
    yield {"cold_chain.node": starts.chain.median / max(slowest_s, node_work_s)}


class _Starts(NamedTuple):
    """Seconds of the chain; of each stage alone, its own CPU-seconds, and the whole machine's meanwhile."""

    chain: Spread
    alone: dict[str, Spread]
    cpu_s: dict[str, Spread]
    node_s: dict[str, Spread]


def _values(images: Mapping[str, str]) -> dict[str, object]:
    stages = [{"name": name, "last": last, "memory": _MEMORY[name]} for name, last in STAGES.items()]
    file = {"architecture": "alexnet_3c4f", "weights": "random://0", "input": {"size": [224, 224], "resize": 256}}
    scale = {"window": "6s", "max": 2}
    return {
        "images": dict(images),
        "ensemble": {"replicas": 0},
        "models": {"fashion-efficientnet-b0": None, "fashion-nasnet-a-mobile": None},
        "pipelines": {_PIPELINE: {"file": file, "stages": stages, "runtime": RUNTIME, "scale": scale}},
        "store": {"versitygw": {"service": {"type": "NodePort"}}},
    }


def _store_image() -> str:
    """The S3 server's, as the chart has it."""
    return str(chart_values()["store"]["versitygw"]["image"])


async def _measure(place: KnativePlace, rounds: int) -> _Starts:
    """Start the chain, then each stage alone, from zero to the first answer."""
    store = open_store("s3://strata")
    await store.remove(await store.keys(f"{_JOB}-"))
    records = open_store("s3://strata/cold")
    await pack_synthetic(records, _PICTURES, _PICTURES)
    (record,) = await record_keys(records)
    chain: list[float] = []
    alone: dict[str, list[float]] = {name: [] for name in STAGES}
    cpu_s: dict[str, list[float]] = {name: [] for name in STAGES}
    node_s: dict[str, list[float]] = {name: [] for name in STAGES}
    places = [(place.cluster.ingress, place.cluster.authority(f"{_PIPELINE}-{name}")) for name in STAGES]
    async with open_stages(places, _LONGEST_S) as client:
        means = Means(client, 1, Retry(random.random), time.monotonic, asyncio.sleep)
        for number in range(rounds):
            jobs = JobStore(store, f"{_JOB}-{number}")
            place.progress("cold: the chain", number, rounds)
            await _wait_for_zero(place.cluster, list(STAGES))
            began_s = time.monotonic()
            async with (
                waking(means) as stages,
                sent_ahead(means, stages, jobs, records, record, Encoding.FLOAT32) as ahead,
            ):
                await stages.woken()
                await ahead.answers
            chain.append(time.monotonic() - began_s)
            for stage, name in enumerate(STAGES):
                place.progress(f"cold: {name}", number, rounds)
                await _wait_for_zero(place.cluster, [name])
                read, written = jobs.urls_of(records, record, len(STAGES))[stage : stage + 2]
                await jobs.remove_activation(written)
                busy_s, began_s = _busy_seconds(), time.monotonic()
                await client.run(stage, "", read, written, Encoding.FLOAT32)
                alone[name].append(time.monotonic() - began_s)
                node_s[name].append(_busy_seconds() - busy_s)
                service = f"{_PIPELINE}-{name}"
                cpu_s[name].append(await asyncio.to_thread(place.cluster.cpu_seconds, service, _CONTAINER))
    return _Starts(Spread(tuple(chain)), *(_spreads(each) for each in (alone, cpu_s, node_s)))


def _spreads(values: Mapping[str, Sequence[float]]) -> dict[str, Spread]:
    return {name: Spread(tuple(each)) for name, each in values.items()}


def _busy_seconds() -> float:
    """CPU-seconds of everything on this machine, which is the cluster's one node."""
    user, nice, system, _, _, *rest = Path("/proc/stat").read_text().split()[1:8]
    return sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")


async def _wait_for_zero(cluster: Cluster, stages: Sequence[str]) -> None:
    for name in stages:
        await asyncio.to_thread(cluster.wait_for_zero, f"{_PIPELINE}-{name}")


@contextmanager
def _store_environment(cluster: Cluster) -> Iterator[None]:
    """Reach the release's own S3 server from this process."""
    before = dict(os.environ)
    os.environ.update(cluster.store_environment(RELEASE))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
