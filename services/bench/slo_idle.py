"""What members cost where hardly anybody asks: memory over time from zero and back, beside pods that are kept."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any, TypeAlias

from services.bench.clients import BlockingFrontDoorClient
from services.bench.cluster import Cluster, working_sets
from services.bench.cluster_figures import RELEASE, Images
from services.bench.ensemble import SMALL_PICTURE
from services.edge.progress import Progress

Figures: TypeAlias = dict[str, float]

_ENSEMBLE = "fashion"
_MEMBERS = ("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile")
_EVERY_S = 300.0
_LOOK_S = 5.0
_DEADLINE_MS = 60_000
"""The ensemble's own is for members that run."""
_SERVICE = "serving.knative.dev/service"
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Look:
    """The pods of one namespace at a moment, s from the first request.

    Attributes:
        members, front: by pod, the bytes it holds; None where nobody has measured it yet.
    """

    at_s: float
    members: Mapping[str, float | None]
    front: Mapping[str, float | None]


def idle_cost(cluster: Cluster, images: Images, requests: int, progress: Progress) -> Iterator[Figures]:
    """Ask the chart's own ensemble every five minutes, by its defaults and with a pod of each member kept, at once."""
    asked, kept = (replace(cluster, namespace=f"{cluster.namespace}-{end}") for end in ("idle", "kept"))
    with asked.claimed(progress), kept.claimed(progress):
        progress("idle_cost: installing")
        for each, least in ((asked, 0), (kept, 1)):
            each.install(RELEASE, _values(images, least))
        for model in _MEMBERS:
            asked.wait_for_zero(model)
        looks, kept_looks, answers_s = _watch((asked, kept), requests, progress)
    gb_s, kept_gb_s = gigabyte_seconds(looks), gigabyte_seconds(kept_looks)
    yield {
        "idle_cost": gb_s / kept_gb_s,
        "idle_cost.gb_s": gb_s / requests,
        "idle_cost.kept_gb_s": kept_gb_s / requests,
        "idle_cost.pod_s": pod_seconds(looks) / (requests * len(_MEMBERS)),
        "idle_cost.answer_s": median(answers_s),
        "idle_cost.front_gb": median(sum(held for held in look.front.values() if held) for look in looks) / 1e9,
    }


def gigabyte_seconds(looks: Sequence[Look]) -> float:
    """What members hold, over time: what is there at a look was there since the one before.

    Kubelet measures a pod seconds after it has started: one that it has not measured yet holds what it does later, on
    average; one that it never measures, what the others do.
    """
    measured: dict[str, list[float]] = {}
    for look in looks:
        for pod, held_bytes in look.members.items():
            if held_bytes is not None:
                measured.setdefault(pod, []).append(held_bytes)
    usual = {pod: fmean(values) for pod, values in measured.items()}
    anybody = fmean(usual.values()) if usual else 0.0
    return sum(
        lasted_s * (usual.get(pod, anybody) if held_bytes is None else held_bytes) / 1e9
        for lasted_s, look in _lasting(looks)
        for pod, held_bytes in look.members.items()
    )


def pod_seconds(looks: Sequence[Look]) -> float:
    """How long members' pods are there, summed over pods."""
    return sum(lasted_s * len(look.members) for lasted_s, look in _lasting(looks))


def look_at(at_s: float, pods: Sequence[Mapping[str, Any]], held_bytes: Mapping[str, float]) -> Look:
    """Tell the members' pods from the rest; what has ended, as a hook has, is neither.

    Args:
        pods: as Kubernetes describes them.
        held_bytes: by name of a pod.
    """
    members: dict[str, float | None] = {}
    front: dict[str, float | None] = {}
    for pod in pods:
        if pod["status"].get("phase") not in _ENDED:
            name, service = pod["metadata"]["name"], pod["metadata"].get("labels", {}).get(_SERVICE)
            (front if service is None else members)[name] = held_bytes.get(name)
    return Look(at_s, members, front)


def _lasting(looks: Sequence[Look]) -> Iterator[tuple[float, Look]]:
    before_s = 0.0
    for look in looks:
        yield look.at_s - before_s, look
        before_s = look.at_s


def _watch(
    places: tuple[Cluster, Cluster], requests: int, progress: Progress
) -> tuple[list[Look], list[Look], list[float]]:
    """Looks at both namespaces, and how long the answers from zero took, which are the first one's."""
    doors = [BlockingFrontDoorClient(each.front_door(RELEASE)) for each in places]
    encoded = SMALL_PICTURE.read_bytes()
    looks: tuple[list[Look], list[Look]] = ([], [])
    answers_s = []
    began_s = time.monotonic()
    for number in range(requests):
        progress("idle_cost: a request every five minutes", number, requests)
        from_zero, _ = [door.predict(_ENSEMBLE, [encoded], deadline_ms=_DEADLINE_MS).latency_ms for door in doors]
        answers_s.append(from_zero / 1e3)
        while (at_s := time.monotonic() - began_s) < (number + 1) * _EVERY_S:
            held = working_sets()
            for place, seen in zip(places, looks, strict=True):
                own = {name: value for (namespace, name), value in held.items() if namespace == place.namespace}
                seen.append(look_at(at_s, place.get("pods")["items"], own))
            time.sleep(_LOOK_S)
    return *looks, answers_s


def _values(images: Images, least: int) -> dict[str, object]:
    """The chart as it is, but for the images, the way to the front door, and how many pods of a model are kept."""
    return {
        "images": {"model": images.model, "ensemble": images.ensemble},
        "ensemble": {"service": {"type": "NodePort"}},
        "modelDefaults": {"scale": {"min": least}},
    }
