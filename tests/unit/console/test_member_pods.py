"""How many processes members have on a cluster, as the console counts them."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.console.front_door import observed
from services.console.member_pods import ReleasePods, counts_of
from services.edge.errors import Unavailable
from services.edge.kubernetes_pods import Document
from services.ensemble.metrics import Metrics, watch_replicas


def pod(labels: dict[str, str], ready: bool = True, leaving: bool = False) -> Document:
    metadata = {"labels": labels, **({"deletionTimestamp": "now"} if leaving else {})}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def service(name: str, **labels: str) -> dict[str, str]:
    return {"serving.knative.dev/service": name} | {f"strata.dev/{key}": value for key, value in labels.items()}


PODS = [
    pod(service("resnet")),
    pod(service("resnet")),
    pod(service("resnet"), ready=False),
    pod(service("resnet"), leaving=True),
    pod(service("alexnet-conv", pipeline="alexnet")),
    pod(service("alexnet-fc", pipeline="alexnet")),
    pod({"app": "database"}),
]


def test_a_member_has_the_pods_that_take_requests_and_a_cut_one_those_of_all_its_stages() -> None:
    assert counts_of(PODS) == {"resnet": 2, "alexnet": 2}


@pytest.mark.parametrize(
    ("pods", "known"),
    [(counts_of(PODS), {"resnet": 2, "vgg": 0}), (None, {"resnet": None, "vgg": None})],
    ids=["on a cluster", "nobody may look"],
)
def test_a_member_without_pods_is_at_zero_where_pods_are_known(
    pods: dict[str, int] | None, known: dict[str, int | None]
) -> None:
    members = [{"model": model, "weight": 1.0} for model in known]
    described = [{"name": "pair", "rule": "mean", "mode": "parallel", "deadline_ms": 1, "members": members}]
    registry = CollectorRegistry()
    Metrics(registry)
    (ensemble,) = observed(described, generate_latest(registry).decode(), 0.0, pods).ensembles
    assert {model: counts.replicas for model, counts in ensemble.counts.members.items()} == known
    watch_replicas({"resnet": lambda: 1}, registry)
    (ensemble,) = observed(described, generate_latest(registry).decode(), 0.0, pods).ensembles
    assert ensemble.counts.members["resnet"].replicas == 1  # who runs the processes knows best


def test_they_are_asked_for_once_a_second_however_many_look_and_seldom_where_nobody_may() -> None:
    now_s, asked, allowed = 0.0, 0, True

    def read() -> list[Document]:
        nonlocal asked
        asked += 1
        if not allowed:
            raise Unavailable("403: pods is forbidden")
        return PODS[:1]

    pods = ReleasePods(read, lambda: now_s)
    assert [pods(), pods()] == [{"resnet": 1}] * 2
    assert asked == 1
    now_s, allowed = 2.0, False
    assert pods() is None
    now_s = 30.0
    assert pods() is None
    assert asked == 2
    now_s, allowed = 90.0, True
    assert pods() == {"resnet": 1}
