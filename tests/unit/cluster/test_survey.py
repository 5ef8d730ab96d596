"""Everything of a release is looked at, again and again while it starts."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.cluster.domain import Host, Workload, WorkloadState
from services.cluster.usecases import await_ready, hosts_of, survey
from services.edge.deadline import Deadline
from services.edge.errors import FailedPrecondition, NotFound
from services.edge.kubernetes_pods import Document

SERVING = "/apis/serving.knative.dev/v1/namespaces/demo"
READY = Workload("model", "m", WorkloadState.READY)
STARTING = Workload("model", "n", WorkloadState.STARTING)
FAILED = Workload("model", "o", WorkloadState.FAILED)


class Lists:
    """Lists of objects by path; what is not among them is a kind that the cluster does not know."""

    def __init__(self, **kinds: list[Document]):
        groups = {"services": SERVING, "revisions": SERVING, "deployments": "/apis/apps/v1/namespaces/demo"}
        groups["pods"] = "/api/v1/namespaces/demo"
        self._lists = {f"{groups[kind]}/{kind}": items for kind, items in kinds.items()}
        self.selectors: set[str] = set()

    def read(self, path: str) -> Document:
        parts = urlsplit(path)
        if parts.path not in self._lists:
            raise NotFound(path)
        self.selectors.update(parse_qs(parts.query)["labelSelector"])
        return {"items": self._lists[parts.path]}


def named(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {}}


def test_models_and_front_door_are_found_and_knatives_own_deployments_are_not() -> None:
    deployments = [named("door"), named("m-00001-deployment", **{"serving.knative.dev/revision": "m-00001"})]
    lists = Lists(services=[named("m")], revisions=[], deployments=deployments, pods=[])
    assert [each.name for each in survey(lists, "demo", "shop")] == ["m", "door"]
    assert lists.selectors == {"app.kubernetes.io/part-of=strata,app.kubernetes.io/instance=shop"}


def test_without_a_release_all_of_them_are_looked_at() -> None:
    lists = Lists(services=[], revisions=[], deployments=[], pods=[])
    assert survey(lists, "demo") == []
    assert lists.selectors == {"app.kubernetes.io/part-of=strata"}


def test_a_cluster_without_knative_is_named() -> None:
    with pytest.raises(FailedPrecondition, match="no Knative Serving"):
        survey(Lists(deployments=[]), "demo")


def test_what_has_a_host_is_asked_there_by_the_protocol_of_its_port() -> None:
    def service(name: str, port: str, url: str) -> Document:
        template = {"spec": {"containers": [{"name": "model", "ports": [{"name": port}]}, {"name": "beside"}]}}
        return {**named(name), "spec": {"template": template}, "status": {"url": url} if url else {}}

    services = [service("g", "h2c", "http://g.demo"), service("b", "http1", "http://b.demo"), service("n", "h2c", "")]
    assert hosts_of(Lists(services=services), "demo") == {"b": Host("b.demo", False), "g": Host("g.demo", True)}


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([[READY]], [READY]),
        ([[READY, STARTING], [READY, STARTING], [READY]], [READY]),
        ([[STARTING, FAILED], [READY]], [STARTING, FAILED]),
    ],
    ids=["ready at once", "ready in the end", "one has failed"],
)
def test_waiting_ends_when_all_is_ready_or_one_has_failed(
    looks: list[list[Workload]], expected: list[Workload]
) -> None:
    lines: list[str] = []
    left = iter(looks)
    seen = await_ready(lambda: next(left), Deadline(), lambda _: None, lines.append)
    assert seen == expected
    assert lines == ["waiting for n"] * (len(looks) - len(list(left)) - 1)


def test_waiting_ends_at_the_deadline() -> None:
    now_s = [0.0]
    looked: list[float] = []

    def look() -> list[Workload]:
        looked.append(now_s[0])
        return [STARTING]

    def pause(time_s: float) -> None:
        now_s[0] += time_s

    seen = await_ready(look, Deadline.after(2.5, lambda: now_s[0]), pause, lambda _: None)
    assert seen == [STARTING]
    assert looked == [0.0, 1.0, 2.0, 3.0]
