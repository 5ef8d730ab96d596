"""A spare pod answers for a member that cannot start, one at a time; where it has gone, members answer themselves."""

from collections.abc import Iterator

import httpx
import pytest

from services.bench.cluster import Cluster
from tests.cluster.installed import MEMBERS, TIMEOUT_S, images, namespace, pictures

RELEASE = "beside"
SPARE = f"deployment/{RELEASE}-spare"
FIRST, *OTHERS = MEMBERS
NO_PODS = "no-more-pods"


@pytest.fixture(scope="module")
def beside() -> Iterator[Cluster]:
    """A release of its own, its members at zero and its spare pod up."""
    with namespace("spare") as beside:
        values = {
            "images": images(),
            "modelDefaults": {"scale": {"window": "6s"}},
            "ensemble": {"ray": "none", "service": {"type": "NodePort"}},
            "ensembles": {"alone": {"members": [{"model": FIRST}]}},
            "spare": {"enabled": True},
        }
        beside.install(RELEASE, values)
        beside.kubectl("rollout", "status", SPARE, f"--timeout={TIMEOUT_S}s")
        for model in MEMBERS:
            beside.wait_for_zero(model)
        yield beside


def _states(beside: Cluster, ensemble: str, deadline_ms: int) -> dict[str, str]:
    url = f"http://{beside.node_port(f'{RELEASE}-ensemble', 'http')}/v1/ensembles/{ensemble}:predict"
    answer = httpx.post(url, content=pictures()["Bag"], params={"deadline_ms": deadline_ms}, timeout=TIMEOUT_S)
    assert answer.status_code == 200, answer.text
    return {member["model"]: member["state"] for member in answer.json()["members"]}


def test_one_member_that_cannot_start_is_answered_for_and_the_others_are_missing(beside: Cluster) -> None:
    beside.kubectl("create", "quota", NO_PODS, "--hard=pods=0")
    try:
        assert _states(beside, "alone", 60_000) == {FIRST: "answered"}
        states = _states(beside, "fashion", 3_000)
        assert (states[FIRST], {states[model] for model in OTHERS}) == ("answered", {"missing"})
        pods = beside.get("pods", "--selector", "serving.knative.dev/service")["items"]
        assert not pods, "no member has started"
    finally:
        beside.kubectl("delete", "quota", NO_PODS)


def test_members_answer_themselves_where_the_spare_pod_has_gone(beside: Cluster) -> None:
    beside.kubectl("scale", SPARE, "--replicas=0")
    assert set(_states(beside, "fashion", 60_000).values()) == {"answered"}
