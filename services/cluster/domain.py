"""What the objects of a release say of its workloads: ready, starting, or failed and why."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from services.edge.kubernetes_pods import REVISION, SERVICE, Document, count_by_label

_MAY_BE_FALSE = {"Active"}
"""Conditions of a revision that are not faults: at zero it is not active."""
_STUCK = {
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff"),
    *("InvalidImageName", "ErrImageNeverPull", "ImagePullBackOff"),
}
"""What a container waits for that does not come by waiting. Knative says so after ten minutes."""
_OUT_OF_MEMORY = "OOMKilled"


class WorkloadState(StrEnum):
    """What a workload is."""

    READY = "ready"
    STARTING = "starting"
    FAILED = "failed"


@dataclass(frozen=True)
class Workload:
    """One model or front door.

    Attributes:
        component: its label of that name: model, ensemble.
        newest: the newest revision; empty for what has none.
        serving: revisions that get requests, with their share in percent.
        pods: that are ready, of each revision that has any; of a Deployment under an empty name.
        detail: why it is not ready; what is odd where it is.
    """

    component: str
    name: str
    state: WorkloadState
    newest: str = ""
    serving: Mapping[str, int] | None = None
    detail: str = ""
    pods: Mapping[str, int] = field(default_factory=dict)


def judge_service(service: Document, revisions: Mapping[str, Document], pods: Sequence[Document] = ()) -> Workload:
    """Judge a Knative Service by itself, its newest revision and that one's pods, whichever answers requests."""
    status = service.get("status", {})
    newest = status.get("latestCreatedRevisionName", "")
    shares: dict[str, int] = {}
    for target in status.get("traffic", []):
        name = target.get("revisionName", "")
        shares[name] = shares.get(name, 0) + target.get("percent", 0)
    serving = {name: percent for name, percent in shares.items() if percent}
    revision = revisions.get(newest, {})
    own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(REVISION) == newest]
    unplaced = _unplaced(own, revision)
    # Knative calls a revision failed while a pod of it waits for a node, and takes it back once it has one.
    faults = [*([] if unplaced else [*_faults(revision), *_faults(service)]), *_stuck(own)]
    if faults:
        state, detail = WorkloadState.FAILED, faults[0]
    elif _is_seen(service) and _holds(service, "Ready") and newest == status.get("latestReadyRevisionName"):
        state, detail = WorkloadState.READY, ""
    else:
        state, detail = WorkloadState.STARTING, unplaced or _waiting(revision) or _waiting(service)
    if state is not WorkloadState.READY and serving and newest not in serving:
        detail = f"{detail or 'no word yet'}; {', '.join(serving)} still answers".removeprefix("; ")
    counted = _ready_pods(service["metadata"]["name"], pods)
    return Workload(_component(service), service["metadata"]["name"], state, newest, serving, detail, counted)


@dataclass(frozen=True)
class Host:
    """What an ingress knows a Knative Service by, and whether that one speaks gRPC."""

    name: str
    speaks_grpc: bool


def host_of(service: Document) -> Host:
    """Say where a Knative Service is asked; its host has no name until Knative has given it one."""
    containers = service["spec"]["template"]["spec"]["containers"]
    ports = [port.get("name") for container in containers for port in container.get("ports", ())]
    return Host(urlsplit(service.get("status", {}).get("url", "")).netloc, "h2c" in ports)


def judge_deployment(deployment: Document, pods: Sequence[Document] = ()) -> Workload:
    """Judge a Deployment: as many pods of the newest template as declared, and no older one."""
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status", {})
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    settled = updated == available == status.get("replicas", 0) == wanted
    selector = deployment["spec"].get("selector", {}).get("matchLabels", {})
    own = [pod for pod in pods if selector.items() <= pod["metadata"].get("labels", {}).items()]
    faults = [*_faults(deployment, {"Available"}), *_stuck(own)]
    if _is_seen(deployment) and settled:
        state, detail = WorkloadState.READY, "" if wanted else "no pods are declared"
    elif faults:
        state, detail = WorkloadState.FAILED, faults[0]
    else:
        state, detail = (
            WorkloadState.STARTING,
            _unplaced(own) or f"{updated} of {wanted} pods are new, {available} ready",
        )
    counted = {"": ready} if (ready := status.get("readyReplicas", 0)) else {}
    return Workload(_component(deployment), deployment["metadata"]["name"], state, detail=detail, pods=counted)


def judge_other(document: Document) -> Workload:
    """Judge an object by its conditions alone, such as KubeRay's RayService."""
    faults = _faults(document, {"UpgradeInProgress", "Suspended"})
    state = (
        WorkloadState.READY if _holds(document, "Ready") else WorkloadState.FAILED if faults else WorkloadState.STARTING
    )
    detail = "" if state is WorkloadState.READY else (faults or [_waiting(document)])[0]
    return Workload(_component(document), document["metadata"]["name"], state, detail=detail)


def _ready_pods(service: str, pods: Sequence[Document]) -> dict[str, int]:
    """Count the pods of a Knative Service that take requests, by revision."""
    own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(SERVICE) == service]
    return dict(sorted(count_by_label(own, REVISION).items()))


def _component(document: Document) -> str:
    return str(document["metadata"].get("labels", {}).get("app.kubernetes.io/component", ""))


def _is_seen(document: Document) -> bool:
    """Tell whether the status is of the object as it is now."""
    return bool(document.get("status", {}).get("observedGeneration", 0) >= document["metadata"].get("generation", 0))


def _conditions(document: Document) -> list[Document]:
    conditions: list[Document] = document.get("status", {}).get("conditions", [])
    return conditions


def _holds(document: Document, kind: str) -> bool:
    return any(each["type"] == kind and each["status"] == "True" for each in _conditions(document))


def _faults(document: Document, may_be_false: set[str] = _MAY_BE_FALSE) -> list[str]:
    """Say what is wrong, the cause before what follows from it."""
    false = [each for each in _conditions(document) if each["status"] == "False" and each["type"] not in may_be_false]
    failing = [each for each in _conditions(document) if each["type"] == "ReplicaFailure" and each["status"] == "True"]
    return [_reason(each) for each in sorted([*failing, *false], key=lambda each: each["type"] == "Ready")]


def _stuck(pods: Sequence[Document]) -> list[str]:
    """Say what containers wait for in vain; of one that ends again and again, what it said at its end."""
    reasons = []
    for container in _containers(pods):
        waiting = container.get("state", {}).get("waiting", {})
        ended = container.get("lastState", {}).get("terminated", {})
        last_words = ended.get("message", "").strip()
        if waiting.get("reason") not in _STUCK:
            continue
        if ended.get("reason") == _OUT_OF_MEMORY:
            reasons.append(f"{_OUT_OF_MEMORY}: {_of_memory(container)}")
        else:
            reasons.append(f"{waiting['reason']}: {last_words or waiting.get('message', '')}".removesuffix(": "))
    return reasons


def _containers(pods: Sequence[Document]) -> Iterator[Document]:
    """What pods say of their containers, of those first that have to end before the others begin."""
    for pod in pods:
        for kind in ("initContainerStatuses", "containerStatuses"):
            yield from pod.get("status", {}).get(kind, [])


def _of_memory(container: Document) -> str:
    limit = container.get("resources", {}).get("limits", {}).get("memory", "")
    has = f"has {limit} of memory, which is too little" if limit else "has too little memory"
    return f"container {container.get('name', '')} {has}"


def _unplaced(pods: Sequence[Document], revision: Document | None = None) -> str:
    """Say why a pod has no node yet, by its own word or its revision's; an older pod may leave, a node may come."""
    placing = [each for pod in pods for each in _conditions(pod) if each["type"] == "PodScheduled"]
    placing += [each for each in _conditions(revision or {}) if each.get("reason") == "Unschedulable"]
    return next((_reason(each) for each in placing if each["status"] == "False"), "")


def _waiting(document: Document) -> str:
    conditions = [each for each in _conditions(document) if each["type"] not in _MAY_BE_FALSE]
    unknown = [each for each in conditions if each["status"] == "Unknown" and each.get("reason")]
    return _reason(unknown[0]) if unknown else ""


def _reason(condition: Document) -> str:
    said = [condition.get("reason", ""), condition.get("message", "")]
    return ": ".join(filter(None, said)) or str(condition["type"])
