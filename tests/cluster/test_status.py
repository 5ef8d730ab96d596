"""Whether a release can answer follows from its newest revisions: by `strata status`, by `helm test`, by an upgrade."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from services.bench.cluster import CHART, Cluster, run
from services.edge.errors import Unavailable
from tests.cluster.installed import MEMBERS, images, namespace

RELEASE = "status"
SLEEP = {"architecture": "sleep", "runtime": "sleep", "weights": "random://1", "parameters": {"delay_ms": 1}}


@pytest.fixture(scope="module")
def beside() -> Iterator[Cluster]:
    with namespace("status") as beside:
        yield beside


def values(**model: Any) -> dict[str, Any]:
    """One model that does not compute, and no front door."""
    models = {**dict.fromkeys(MEMBERS), "only": {"file": SLEEP, **model}}
    return {"images": images(), "models": models, "ensemble": {"replicas": 0}}


def status(beside: Cluster, *options: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run `strata status`; its exit code, and what it says by name."""
    command = [sys.executable, "-m", "services.cli", "status", "--namespace", beside.namespace, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, {each["name"]: each for each in json.loads(done.stdout or "[]")}


def helm(verb: str, beside: Cluster, given: dict[str, Any] | None = None, *options: str) -> str:
    """Raises Unavailable where helm says that it failed."""
    chart = [str(CHART), "--values", "-"] if given else []
    standard_input = json.dumps(given) if given else None
    return run("helm", verb, RELEASE, *chart, *options, "--namespace", beside.namespace, standard_input=standard_input)


def test_a_model_that_starts_is_ready_for_everybody(beside: Cluster) -> None:
    helm("install", beside, values())
    code, seen = status(beside, "--wait-s", "120")
    assert (code, seen["only"]["state"]) == (0, "ready"), seen
    helm("test", beside)


def test_what_speaks_grpc_and_what_speaks_rest_is_woken_through_the_ingress(beside: Cluster) -> None:
    given = values()
    given["models"]["rest"] = {"file": SLEEP, "protocol": "rest"}
    helm("upgrade", beside, given)
    command = [
        sys.executable,
        "-m",
        "services.cli",
        "wake",
        "--namespace",
        beside.namespace,
        "--wait-s",
        "60",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {each["model"]: each["error"] for each in json.loads(done.stdout)} == {"only": "", "rest": ""}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"file": {"architecture": "alexnet", "weights": "file:///nowhere.safetensors"}}, "nowhere"),
        ({"secret": "nowhere"}, "nowhere"),
        ({"traffic": {"latestPercent": 50, "stableRevision": "only-00099"}}, "only-00099"),
    ],
    ids=["weights", "secret", "revision"],
)
def test_a_newest_revision_that_cannot_start_fails_the_release_the_test_and_the_status(
    beside: Cluster, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(Unavailable):
        helm("upgrade", beside, values(**change))
    code, seen = status(beside, "--wait-s", "120")
    assert (code, seen["only"]["state"]) == (1, "failed"), seen
    assert said in seen["only"]["detail"]
    with pytest.raises(Unavailable):
        helm("test", beside)
    # What answered before answers still, and the way back is open.
    helm("upgrade", beside, values())
    assert status(beside, "--wait-s", "120")[0] == 0


def test_a_quota_that_leaves_no_room_is_reported(beside: Cluster) -> None:
    spec = {"hard": {"limits.memory": "600Mi"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": spec}
    beside.kubectl("apply", "--filename", "-", standard_input=json.dumps(quota))
    try:
        with pytest.raises(Unavailable):
            # The hook's own pod finds no room either: helm waits for it as long as it may.
            helm("upgrade", beside, values(maxBatch=3), "--timeout", "20s")
        code, seen = status(beside)
        assert code == 1
        assert "quota" in seen["only"]["detail"]
    finally:
        beside.kubectl("delete", "resourcequota", "small")
