"""What the chart's values allow, the cluster takes: each bound, as the API server and Knative's webhook see it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.bench.cluster import CHART, Cluster, run
from tests.cluster.installed import MEMBERS, namespace

FILE = {"architecture": "sleep", "runtime": "sleep", "weights": "random://1", "parameters": {"delay_ms": 1e-05}}
LEAST = {
    "scale": {"min": 0, "max": 0, "window": "6s", "retention": "0s", "burstCapacity": -1},
    "concurrency": {"target": 0.01, "limit": 0},
    "timeoutS": 1,
    "scratch": 1,
}
MOST = {
    "scale": {"min": 2147483647, "max": 2147483647, "window": "1h", "retention": "60m", "burstCapacity": 2147483647},
    "concurrency": {"target": 1000000, "limit": 1000},
    "timeoutS": 600,
    "scratch": "1.5Ti",
    "queueProxy": {
        "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}, "limits": {"cpu": 1, "memory": 1000000000}}
    },
    "podAnnotations": {"example.org/team": "pictures"},
    "extraEnv": [{"name": "A", "value": "1"}],
}


OWN = {"secret": "1st.secret", "file": FILE}


@pytest.fixture(scope="module")
def empty() -> Iterator[Cluster]:
    """A namespace without the objects that are tried, which it would refuse to create again."""
    with namespace("admission") as empty:
        yield empty


@pytest.mark.parametrize(
    "values",
    [
        {"modelDefaults": LEAST},
        {"modelDefaults": MOST, "models": {"own": OWN}},
        {"models": dict.fromkeys(["on", "null", "m" * 52], OWN)},
        {"modelDefaults": {"scale": {"window": "59m59s", "retention": "0.5h"}}, "images": {"model": "localhost/m"}},
        {"images": {"ensemble": "[::1]:5000/m:1"}, "ensemble": {"ray": "none", "replicas": 2}},
        {"networkPolicy": {"enabled": True}},
    ],
    ids=["least", "most", "names", "durations", "front door", "policies"],
)
def test_the_cluster_takes_what_the_schema_takes(values: dict[str, Any], empty: Cluster) -> None:
    command = ["helm", "template", "bounds", str(CHART), "--namespace", empty.namespace, "--no-hooks"]
    rendered = run(*command, "--kube-version", "1.34.0", "--values", "-", standard_input=json.dumps(values))
    empty.kubectl("create", "--dry-run=server", "--filename", "-", standard_input=rendered)
    assert all(name in rendered for name in MEMBERS)
