"""Make a release's workloads what it declares, and say how they are."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from services.cluster.cold_starts import ColdStart, own_container, start_of_pod
from services.cluster.domain import (
    Host,
    Workload,
    WorkloadState,
    host_of,
    judge_deployment,
    judge_other,
    judge_service,
)
from services.edge.deadline import Deadline
from services.edge.errors import FailedPrecondition, NotFound, Unavailable
from services.edge.kubernetes_pods import REVISION, SERVICE, Document

_TRIES = 10
_POLL_S = 1.0


class Reads(Protocol):
    """The objects of a cluster, each under its path in Kubernetes' API."""

    def read(self, path: str) -> Document: ...


class Objects(Reads, Protocol):
    """The same, and they can be changed."""

    def replace(self, path: str, document: Document) -> Document:
        """Raises FailedPrecondition where the object has changed since it was read."""
        ...


@dataclass(frozen=True)
class Declared:
    """An object as a release declares it; `path` is its place in Kubernetes' API."""

    path: str
    labels: Mapping[str, str]
    spec: Document


def enforce(objects: Objects, declared: Declared) -> bool:
    """Make an object's whole `spec` the declared one; return whether that changed anything.

    Helm 3 patches a custom resource by the difference of two manifests and does not look at the cluster. What a
    release that failed half way has changed, the next one takes for unchanged, and leaves.

    Raises:
        NotFound: there is no such object.
        FailedPrecondition: the object changes faster than it can be replaced.
        Unavailable: the cluster does not answer, or refuses.
    """
    for tries_left in reversed(range(_TRIES)):
        live = objects.read(declared.path)
        metadata = {**live["metadata"], "labels": {**live["metadata"].get("labels", {}), **declared.labels}}
        try:
            after = objects.replace(declared.path, {**live, "metadata": metadata, "spec": declared.spec})
        except FailedPrecondition:
            if not tries_left:
                raise
        else:
            return bool(after["metadata"]["generation"] != live["metadata"]["generation"])
    raise AssertionError("unreachable")


def survey(objects: Reads, namespace: str, release: str = "") -> list[Workload]:
    """Judge every workload of a release, or of all of the namespace's releases; models by name, front doors last.

    Raises:
        FailedPrecondition: the cluster has no Knative Serving.
        Unavailable: the cluster does not answer, or refuses.
    """

    def items(group: str, kind: str) -> list[Document]:
        return _items(objects, namespace, release, group, kind)

    services = _services(objects, namespace, release)
    revisions = {each["metadata"]["name"]: each for each in items("apis/serving.knative.dev/v1", "revisions")}
    pods = items("api/v1", "pods")
    judged = [judge_service(each, revisions, pods) for each in services]
    judged += [judge_deployment(each, pods) for each in items("apis/apps/v1", "deployments") if _is_ours(each)]
    with suppress(NotFound):  # a cluster without KubeRay
        judged += [judge_other(each) for each in items("apis/ray.io/v1", "rayservices")]
    return judged


def hosts_of(objects: Reads, namespace: str, release: str = "") -> dict[str, Host]:
    """Say by which host the ingress knows each model, stage and workbench; raises as `survey` does."""
    hosts = {each["metadata"]["name"]: host_of(each) for each in _services(objects, namespace, release)}
    return {name: host for name, host in sorted(hosts.items()) if host.name}


class ReadsLogs(Reads, Protocol):
    """The same, and what pods have logged."""

    def read_log(self, path: str) -> str: ...


def cold_starts(objects: ReadsLogs, namespace: str, release: str = "") -> list[ColdStart]:
    """Say of every pod of a Knative Service that runs now where the time of its start went; raises as `survey` does."""
    starts = []
    for pod in _items(objects, namespace, release, "api/v1", "pods"):
        if SERVICE not in pod["metadata"].get("labels", {}):
            continue
        with suppress(NotFound, Unavailable):  # it has ended meanwhile, or has no log yet
            path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/log?container={own_container(pod)}"
            if start := start_of_pod(pod, objects.read_log(path).splitlines()):
                starts.append(start)
    return starts


def _services(objects: Reads, namespace: str, release: str) -> list[Document]:
    try:
        return _items(objects, namespace, release, "apis/serving.knative.dev/v1", "services")
    except NotFound as error:
        raise FailedPrecondition(f"this cluster has no Knative Serving: {error}") from error


def _items(objects: Reads, namespace: str, release: str, group: str, kind: str) -> list[Document]:
    labels = {"app.kubernetes.io/part-of": "strata"} | ({"app.kubernetes.io/instance": release} if release else {})
    query = urlencode({"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())})
    found: list[Document] = objects.read(f"/{group}/namespaces/{namespace}/{kind}?{query}")["items"]
    return found


def _is_ours(deployment: Document) -> bool:
    """Knative's own Deployments, one a revision, have our labels too."""
    return REVISION not in deployment["metadata"].get("labels", {})


def await_ready(
    look: Callable[[], list[Workload]], deadline: Deadline, pause: Callable[[float], None], show: Callable[[str], None]
) -> list[Workload]:
    """Look again until every workload is ready or one has failed, or until the deadline; return what was seen last."""
    while True:
        seen = look()
        waiting = [each for each in seen if each.state is WorkloadState.STARTING]
        if not waiting or has_failed(seen) or deadline.passed:
            return seen
        show(f"waiting for {', '.join(each.name for each in waiting)}")
        pause(_POLL_S)


def has_failed(workloads: Sequence[Workload]) -> bool:
    """Tell whether one has failed."""
    return any(each.state is WorkloadState.FAILED for each in workloads)
