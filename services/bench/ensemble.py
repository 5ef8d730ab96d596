"""The area `ensemble`: which figures there are, what they are held to, and what is said of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from services.bench import cluster_figures, local_figures
from services.bench.cluster import Cluster
from services.bench.cluster_figures import FULL, HELLO, Images
from services.bench.report import Group
from services.bench.rounds import percentile, ratio, with_spread
from services.edge.progress import Progress
from services.zoo.cache_folder import default_cache
from services.zoo.catalog import Catalog
from services.zoo.model_compile import compile_model

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
_SPEEDUP_ROUNDS = {1: 11, 10: 7, 100: 5}
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
parallel, divided by the sum over the maximum of the members' own times in the serial answer. The one held to the bar
is that of 100 pictures in a request: an answer at half a CPU then takes many of the 100 ms periods of the CPU quota.
`speedup_share.1` and `speedup_share.10` below it are those of 1 and of 10 pictures, held to none. `batch.slowdown.N`
is the parallel answer over the slowest member alone, both with half a CPU a pod. `hop_ms` is a gRPC client's time
minus the model's own forward pass, 602 kB there. `forward_ratio` compares the service's forward pass with the fastest
of torch eager, ONNX Runtime and OpenVINO in the same rounds. `cold_ratio` is a model's first answer from zero over
that of Knative's hello world, in the same rounds.
"""


@dataclass(frozen=True)
class EnsembleEffort:
    """How much is measured; `quick` is for trying the benchmark itself."""

    requests: int
    rounds: int
    speedup_rounds: dict[int, int]
    slowdown_rounds: dict[int, int]


FULL_EFFORT = EnsembleEffort(200, 7, _SPEEDUP_ROUNDS, _SLOWDOWN_ROUNDS)
QUICK_EFFORT = EnsembleEffort(30, 2, {1: 2, 10: 2}, {1: 2, 10: 2})


@dataclass(frozen=True)
class EnsembleSubject:
    """What is measured, with how much effort.

    Attributes:
        pictures: labelled held-out pictures, a folder per class; None leaves the accuracy out.
        cluster: None leaves Knative out.
    """

    effort: EnsembleEffort
    pictures: Path | None
    cluster: Cluster | None
    images: Images
    progress: Progress


def measure(subject: EnsembleSubject, parts: Sequence[str]) -> Iterator[Figures]:
    """Measure the parts that are named, figures as they come. Knative's install into its namespace and leave it there.

    Raises:
        Unavailable: the cluster refuses something, or a member does not answer.
    """
    for part in parts:
        if part in _HERE:
            yield from _HERE[part](subject)
        elif subject.cluster:
            yield from ON_KNATIVE[part](subject, subject.cluster)


def _overhead(subject: EnsembleSubject) -> Iterator[Figures]:
    subject.progress("overhead_ms.embedded")
    requests = subject.effort.requests
    with local_figures.served([MEASURE / "sleepers.yaml", MEASURE / "sleepers-large.yaml"]) as address:
        overheads = local_figures.overhead_ms(address, "sleepers", SMALL_PICTURE.read_bytes(), requests)
        large = local_figures.overhead_ms(address, "sleepers-large", local_figures.large_picture(), requests)
    yield {
        "overhead_ms.embedded": percentile(overheads, 0.5),
        "overhead_ms.embedded.p95": percentile(overheads, 0.95),
        "overhead_ms.embedded.large": percentile(large, 0.5),
    }


def _hop(subject: EnsembleSubject) -> Iterator[Figures]:
    catalog = Catalog([MEASURE / "models"])
    hops = {}
    for name in FULL:
        compiled = compile_model(catalog.model(name), default_cache(os.environ), report=subject.progress)
        subject.progress(f"hop_ms.embedded.{name}")
        with local_figures.started(compiled) as client:
            hops[name] = local_figures.hop_ms(client, name, subject.effort.requests)
    yield _worst("hop_ms.embedded", hops)


def _forward(subject: EnsembleSubject) -> Iterator[Figures]:
    catalog = Catalog([MEASURE / "models"])
    ratios = {}
    for name in FULL:
        subject.progress(f"forward_ratio.{name}")
        spreads = local_figures.forward_ms(catalog.model(name), subject.effort.rounds)
        fastest = min(spreads[runtime].median for runtime in local_figures.RUNTIMES)
        ratios[name] = spreads["service"].median / fastest
        for runtime, spread in spreads.items():
            yield with_spread(f"forward_ms.{runtime}.{name}", spread)
    yield _worst("forward_ratio", ratios)


def _accuracy(subject: EnsembleSubject) -> Iterator[Figures]:
    if subject.pictures:
        subject.progress("accuracy_gain")
        gain = local_figures.accuracy_gain(subject.pictures, EXAMPLES / "fashion" / "ensemble.yaml")
        # Held to its bar by the lower end of its interval.
        figures = {"": gain["low"], ".value": gain["value"], ".high": gain["high"]}
        yield {f"accuracy_gain{end}": value for end, value in figures.items()}


def _path(subject: EnsembleSubject, cluster: Cluster) -> Iterator[Figures]:
    requests = subject.effort.requests
    subject.progress("overhead_ms.knative")
    overheads = cluster_figures.knative_overhead_ms(cluster, subject.images, SMALL_PICTURE.read_bytes(), requests)
    yield {
        "overhead_ms.knative.p50": percentile(overheads, 0.5),
        "overhead_ms.knative.p95": percentile(overheads, 0.95),
    }
    subject.progress("hop_ms.knative")
    yield _worst("hop_ms.knative", cluster_figures.knative_hop_ms(cluster, subject.images, requests))


def _batches(subject: EnsembleSubject, cluster: Cluster) -> Iterator[Figures]:
    door = cluster_figures.half_a_cpu(cluster, subject.images)
    for batch, rounds in subject.effort.speedup_rounds.items():
        subject.progress(f"speedup.{batch}")
        found = cluster_figures.speedup(door, batch, rounds)
        yield with_spread(f"speedup.{batch}", found.speedup) | with_spread(f"speedup_share.{batch}", found.share)
    # The bar is held at the largest: an answer at half a CPU then takes many of the 100 ms periods of the CPU quota.
    yield {"speedup": found.speedup.median, "speedup_share": found.share.median}
    for batch, rounds in subject.effort.slowdown_rounds.items():
        subject.progress(f"batch.slowdown.{batch}")
        full, slowest = cluster_figures.batch_slowdown(door, batch, rounds)
        yield with_spread(f"batch.slowdown.{batch}", ratio(full, slowest))
        yield {f"batch.parallel_ms.{batch}": full.median, f"batch.slowest_ms.{batch}": slowest.median}


def _cold(subject: EnsembleSubject, cluster: Cluster) -> Iterator[Figures]:
    colds = cluster_figures.cold_starts_s(cluster, subject.images, subject.effort.rounds, subject.progress)
    for name, spread in colds.items():
        yield with_spread(f"cold_s.{name}", spread)
    hello = colds[HELLO].median
    yield _worst("cold_ratio", {name: colds[name].median / hello for name in FULL})


_HERE: dict[str, Callable[[EnsembleSubject], Iterator[Figures]]] = {
    "overhead": _overhead,
    "hop": _hop,
    "forward": _forward,
    "accuracy": _accuracy,
}
ON_KNATIVE: dict[str, Callable[[EnsembleSubject, Cluster], Iterator[Figures]]] = {
    "path": _path,
    "batches": _batches,
    "cold": _cold,
}
PARTS = (*_HERE, *ON_KNATIVE)


def _worst(key: str, by_model: dict[str, float]) -> Figures:
    """The key itself is the worst of the models; each model's is beside it."""
    return {key: max(by_model.values()), **{f"{key}.{model}": value for model, value in by_model.items()}}
