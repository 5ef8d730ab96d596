"""The ensemble's figures on a real Knative: what the path adds, what it gains, what a start from zero takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import httpx
import numpy as np

from services.bench.clients import PARALLEL, SERIAL, BlockingFrontDoorClient, BlockingModelClient
from services.bench.cluster import Cluster
from services.bench.local_figures import hop_ms, large_picture, overhead_ms
from services.bench.rounds import Spread, interleave, ratio
from services.edge.progress import Progress

RELEASE = "bench"
FULL = ("full-efficientnet-b0", "full-mobilenet-v2", "full-nasnet-a-mobile")
SLEEPERS = ("sleep-100", "sleep-60", "sleep-40")
HELLO = "hello"
HELLOS = (HELLO, "hello-2", "hello-3")
"""As many as an ensemble has members here."""
# The chart would install these by default; null takes a key away.
_NOT_MEASURED = dict.fromkeys(("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile"))

_MEMBERS = {"full": FULL, "slowest": ("full-nasnet-a-mobile",), "sleepers": SLEEPERS}
_FILES = {
    name: {"path": f"/opt/strata/examples/measure/{name}.yaml", "members": members}
    for name, members in _MEMBERS.items()
}
_SHARED = {
    "ensemble": {"files": {"fashion": None, **_FILES}, "service": {"type": "NodePort"}},
    "test": {"ensemble": "full"},
}


@dataclass(frozen=True)
class Images:
    """What is installed: the chart's two images, with the full-size models inside, and Knative's hello world."""

    model: str
    ensemble: str
    hello: str

    def values(self) -> dict[str, object]:
        """As the chart takes them."""
        return {**_SHARED, "images": {"model": self.model, "ensemble": self.ensemble, "models": (*FULL, *SLEEPERS)}}


def knative_overhead_ms(cluster: Cluster, images: Images, encoded: bytes, requests: int) -> list[float]:
    """Latency of three sleeping members, through Ray Serve and Knative, over the slowest one's own, per request."""
    install_models(cluster, images, each_with(SLEEPERS, {"scale": {"min": 1}}))
    return overhead_ms(cluster.front_door(RELEASE), "sleepers", encoded, requests)


def knative_hop_ms(cluster: Cluster, images: Images, requests: int) -> dict[str, float]:
    """p50 of the way to each full-size model through ingress and queue-proxy; resources are the chart's default."""
    install_models(cluster, images, each_with(FULL, {"scale": {"min": 1}}))
    return {
        model: hop_ms(BlockingModelClient(cluster.ingress, cluster.authority(model)), model, requests) for model in FULL
    }


def half_a_cpu(cluster: Cluster, images: Images) -> BlockingFrontDoorClient:
    """Install the full-size models with half a CPU and one pod each."""
    # Requested, not only a limit: pods that are promised next to nothing lose their half to whatever else runs.
    half = {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "1Gi"}}
    one_pod = {"scale": {"min": 1, "max": 1}, "resources": half}
    install_models(cluster, images, each_with(FULL, one_pod))
    door = BlockingFrontDoorClient(cluster.front_door(RELEASE))
    door.predict("full", [large_picture()] * 10)  # the first answer of a process is slower
    return door


@dataclass(frozen=True)
class Speedup:
    """`speedup` is serial over parallel; `share` is that over the sum of the members' times over the longest."""

    speedup: Spread
    share: Spread


def speedup(door: BlockingFrontDoorClient, batch: int, rounds: int) -> Speedup:
    """Compare serial and parallel answers of the full-size models.

    The members' own times come from the serial answers: there each runs alone.
    """
    pictures = [large_picture()] * batch
    ideal: list[float] = []
    spreads = interleave(
        {
            "serial": partial(_serial_ms, door, pictures, ideal),
            "parallel": partial(_parallel_ms, door, "full", pictures),
        },
        rounds,
    )
    gained = ratio(spreads["serial"], spreads["parallel"])
    return Speedup(gained, ratio(gained, Spread(tuple(ideal))))


def _parallel_ms(door: BlockingFrontDoorClient, ensemble: str, pictures: list[bytes]) -> float:
    return door.predict(ensemble, pictures, PARALLEL).latency_ms


def _serial_ms(door: BlockingFrontDoorClient, pictures: list[bytes], ideal: list[float]) -> float:
    timed = door.predict("full", pictures, SERIAL)
    members_ms = [member.latency_ms for member in timed.answer.members]
    ideal.append(sum(members_ms) / max(members_ms))
    return timed.latency_ms


def batch_slowdown(door: BlockingFrontDoorClient, batch: int, rounds: int) -> tuple[Spread, Spread]:
    """Time the parallel ensemble and its slowest member alone, in the same pods; ms."""
    pictures = [large_picture()] * batch
    spreads = interleave({name: partial(_parallel_ms, door, name, pictures) for name in ("full", "slowest")}, rounds)
    return spreads["full"], spreads["slowest"]


def cold_starts_s(cluster: Cluster, images: Images, rounds: int, progress: Progress) -> dict[str, Spread]:
    """Time from a request to its answer where no pod runs: hello world and each full-size model, s."""
    return interleave(cold_subjects(cluster, images), rounds, progress)


def cold_subjects(
    cluster: Cluster, images: Images, more: Mapping[str, object] = MappingProxyType({})
) -> dict[str, Callable[[], float]]:
    """Install hello world and the full-size models, and say how each start from zero is timed, s.

    All may use one CPU, as the chart has it by default; a short window lets them go to zero soon.

    Args:
        more: values of the chart.
    """
    install_models(cluster, images, each_with(FULL, {"scale": {"window": "6s"}}), more)
    install_hellos(cluster, images, (HELLO,))
    hello = partial(hello_s, cluster, (HELLO,))
    return {HELLO: hello, **{model: partial(_cold_model_s, cluster, model) for model in FULL}}


def install_hellos(cluster: Cluster, images: Images, services: Sequence[str]) -> None:
    """Install hello worlds, and wait until each has been ready."""
    cluster.kubectl(
        "apply", "--filename", "-", standard_input="---".join(_hello(each, images.hello) for each in services)
    )
    cluster.kubectl("wait", "ksvc", *services, "--for=condition=Ready", "--timeout=120s")


def hello_s(cluster: Cluster, services: Sequence[str]) -> float:
    """Time from a request to each of some hello worlds, all at once, to the last answer, where none has a pod, s."""

    def ask(authority: str) -> None:
        headers = {"host": authority}
        httpx.get(f"http://{cluster.ingress}/", headers=headers, timeout=120).raise_for_status()

    authorities = [cluster.authority(service) for service in services]
    for service in services:
        cluster.wait_for_zero(service)
    with ThreadPoolExecutor(len(services)) as pool:
        start = time.perf_counter()
        list(pool.map(ask, authorities))
        return time.perf_counter() - start


def _cold_model_s(cluster: Cluster, model: str) -> float:
    client = BlockingModelClient(cluster.ingress, cluster.authority(model))
    image = np.zeros((1, 3, 224, 224), np.float32)
    cluster.wait_for_zero(model)
    return client.infer(model, image)[0] / 1e3


def each_with(models: tuple[str, ...], values: dict[str, object]) -> dict[str, object]:
    return dict.fromkeys(models, values)


def install_models(
    cluster: Cluster, images: Images, models: Mapping[str, object], more: Mapping[str, object] = MappingProxyType({})
) -> None:
    """Install with these models; the others are there too, at zero, because the ensembles name them."""
    declared = {**_NOT_MEASURED, **each_with((*FULL, *SLEEPERS), {}), **models}
    cluster.install(RELEASE, {**images.values(), "models": declared, **more})


def _hello(name: str, image: str) -> str:
    return f"""
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: {name}}}
spec:
  template:
    metadata: {{annotations: {{autoscaling.knative.dev/window: 6s}}}}
    spec: {{containers: [{{image: "{image}", resources: {{requests: {{cpu: 50m}}, limits: {{cpu: "1"}}}}}}]}}
"""
