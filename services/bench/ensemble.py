"""The area `ensemble`: which figures there are, what they are held to, and how they are told."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeAlias

from services.bench import cluster_figures, local_figures
from services.bench.cluster import Cluster
from services.bench.cluster_figures import FULL, HELLO, Images
from services.bench.report import Group
from services.bench.rounds import Spread, percentile, ratio
from services.zoo.catalog import Catalog
from services.zoo.compile import compile_model, default_cache

Figures: TypeAlias = dict[str, float]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MEASURE = EXAMPLES / "measure"
SMALL_PICTURE = EXAMPLES / "fashion" / "pictures" / "Sandal" / "00008.png"
PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino", "ray", "grpcio", "numpy")
BARS = {
    "overhead_ms.embedded": "<= 3",
    "overhead_ms.knative.p50": "<= 8",
    "overhead_ms.knative.p95": "<= 20",
    "speedup_share": ">= 0.9",
    "batch.slowdown.1000": "<= 1.08",
    "hop_ms.embedded": "<= 2",
    "hop_ms.knative": "<= 5",
    "forward_ratio": "<= 1.1",
    "cold_ratio": "<= 2.0",
    "accuracy_gain": "> 0",
}
_SPEEDUP_BATCHES = (1, 10)
_SLOWDOWN_ROUNDS = {1: 11, 10: 7, 100: 3, 1000: 3}
_SHORT = {
    "full-efficientnet-b0": "EfficientNet-B0",
    "full-mobilenet-v2": "MobileNetV2",
    "full-nasnet-a-mobile": "NASNet-A",
}
PLOTS = (
    Group(
        "What serving adds to the slowest member",
        "ms",
        ("overhead_ms.embedded", "overhead_ms.knative.p50", "overhead_ms.knative.p95"),
        ("embedded p50", "Knative p50", "Knative p95"),
    ),
    Group(
        "Parallel over the slowest alone",
        "ratio",
        [f"batch.slowdown.{batch}" for batch in _SLOWDOWN_ROUNDS],
        [f"batch {batch}" for batch in _SLOWDOWN_ROUNDS],
    ),
    Group(
        "From zero to an answer",
        "s",
        [f"cold_s.{name}" for name in (HELLO, *FULL)],
        ["hello world", *(_SHORT[name] for name in FULL)],
    ),
)
NOTES = """
Speed and starts are of the full-size models (224x224, 1000 classes, random weights, compiled into the image), the
worst of the three; accuracy is of the trained small ones on the 10 000 held-out pictures. `overhead_ms` is the
latency of an ensemble of members that sleep 100, 60 and 40 ms over the slowest member's own time, for a small picture
(a tensor of 12 kB; `.large`: a JPEG of 224x224 noise, 602 kB to each member). `speedup_share` is serial over
parallel, divided by the sum over the maximum of the members' own times in the serial answer; `batch.slowdown.N` is
the parallel answer over the slowest member alone, both with half a CPU a pod. `hop_ms` is a gRPC client's time
minus the model's own forward pass, 602 kB there. `forward_ratio` compares the service's forward pass with the
fastest of torch eager, ONNX Runtime and OpenVINO in the same rounds. `cold_ratio` is a model's first answer from
zero over that of Knative's hello world, in the same rounds.
"""


@dataclass(frozen=True)
class Effort:
    """How much is measured; `quick` is for trying the benchmark itself."""

    requests: int
    rounds: int
    slowdown_rounds: dict[int, int]


FULL_EFFORT = Effort(200, 7, _SLOWDOWN_ROUNDS)
QUICK_EFFORT = Effort(30, 2, {1: 2, 10: 2})


def measure_here(effort: Effort, pictures: Path | None, tell: Callable[[str], None]) -> Iterator[Figures]:
    """Measure what needs no cluster, figure by figure.

    Args:
        pictures: labelled held-out pictures, a folder per class; None leaves the accuracy out.
        tell: told which figure comes next.
    """
    catalog = Catalog([MEASURE / "models"])
    tell("compiling the full-size models")
    compiled = {name: compile_model(catalog.model(name), default_cache(os.environ), report=tell) for name in FULL}
    tell("overhead_ms.embedded")
    with local_figures.served([MEASURE / "sleepers.yaml", MEASURE / "sleepers-large.yaml"]) as address:
        overheads = local_figures.overhead_ms(address, "sleepers", SMALL_PICTURE.read_bytes(), effort.requests)
        large = local_figures.overhead_ms(address, "sleepers-large", local_figures.large_picture(), effort.requests)
    yield {
        "overhead_ms.embedded": percentile(overheads, 0.5),
        "overhead_ms.embedded.p95": percentile(overheads, 0.95),
        "overhead_ms.embedded.large": percentile(large, 0.5),
    }
    tell("hop_ms.embedded")
    hops = {}
    for name in FULL:
        with local_figures.started(compiled[name]) as client:
            hops[name] = local_figures.hop_ms(client, name, effort.requests)
    yield _worst("hop_ms.embedded", hops)
    tell("forward_ratio")
    ratios = {}
    for name in FULL:
        spreads = local_figures.forward_ms(catalog.model(name), effort.rounds)
        fastest = min(spreads[runtime].median for runtime in local_figures.RUNTIMES)
        ratios[name] = spreads["service"].median / fastest
        for runtime, spread in spreads.items():
            yield _with_spread(f"forward_ms.{runtime}.{name}", spread)
    yield _worst("forward_ratio", ratios)
    if pictures:
        tell("accuracy_gain")
        gain = local_figures.accuracy_gain(pictures, EXAMPLES / "fashion" / "ensemble.yaml")
        yield {
            "accuracy_gain": gain["low"],
            "accuracy_gain.value": gain["value"],
            "accuracy_gain.high": gain["high"],
        }


def measure_cluster(cluster: Cluster, images: Images, effort: Effort, tell: Callable[[str], None]) -> Iterator[Figures]:
    """Measure what is about Knative, figure by figure; installs into the cluster's namespace and leaves it there."""
    tell("overhead_ms.knative")
    overheads = cluster_figures.knative_overhead_ms(cluster, images, SMALL_PICTURE.read_bytes(), effort.requests)
    yield {
        "overhead_ms.knative.p50": percentile(overheads, 0.5),
        "overhead_ms.knative.p95": percentile(overheads, 0.95),
    }
    tell("hop_ms.knative")
    yield _worst("hop_ms.knative", cluster_figures.knative_hop_ms(cluster, images, effort.requests))
    door = cluster_figures.half_a_cpu(cluster, images)
    for batch in _SPEEDUP_BATCHES:
        tell(f"speedup.{batch}")
        found = cluster_figures.speedup(door, batch, effort.rounds)
        yield _with_spread(f"speedup.{batch}", found.speedup) | _with_spread(f"speedup_share.{batch}", found.share)
    # The bar is held at the largest: an answer at half a CPU then takes many of the 100 ms periods of the CPU quota.
    yield {"speedup": found.speedup.median, "speedup_share": found.share.median}
    for batch, rounds in effort.slowdown_rounds.items():
        tell(f"batch.slowdown.{batch}")
        full, slowest = cluster_figures.batch_slowdown(door, batch, rounds)
        yield _with_spread(f"batch.slowdown.{batch}", ratio(full, slowest))
        yield {f"batch.parallel_ms.{batch}": full.median, f"batch.slowest_ms.{batch}": slowest.median}
    starts = count(1)
    total = effort.rounds * (1 + len(FULL))
    colds = cluster_figures.cold_starts_s(
        cluster, images, effort.rounds, lambda: tell(f"cold_ratio: {next(starts)} of {total} starts")
    )
    for name, spread in colds.items():
        yield _with_spread(f"cold_s.{name}", spread)
    hello = colds[HELLO].median
    yield _worst("cold_ratio", {name: colds[name].median / hello for name in FULL})


def _worst(key: str, by_model: dict[str, float]) -> Figures:
    """The key itself is the worst of the models; each model's is beside it."""
    return {key: max(by_model.values()), **{f"{key}.{model}": value for model, value in by_model.items()}}


def _with_spread(key: str, spread: Spread) -> Figures:
    """The key is the rounds' median; their lowest and highest stand beside it."""
    return {key: spread.median, f"{key}.low": spread.low, f"{key}.high": spread.high}
