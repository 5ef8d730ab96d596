"""One install of the chart on the cluster that KUBECONFIG points at, for those tests here that one process runs.

A test here never skips: `make e2e` without a cluster fails. Files run beside each other, so each has namespaces of its
own, and only the cluster's objects are shared.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.bench.cluster import Cluster
from tests.cluster.installed import RELEASE, TIMEOUT_S, Install, images, ingress, namespace

HERE = Path(__file__).parent
LONGEST = [HERE / f"test_{name}.py" for name in ("releases", "changes", "serving")]
"""They begin: all others would wait for them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path not in LONGEST)
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", autouse=True)
def _a_cluster_is_named() -> None:
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is not on the PATH")
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG is not set: point it at a cluster with Knative Serving (k8s/README.md)")


@pytest.fixture(scope="session")
def cluster(worker_id: str) -> Iterator[Cluster]:
    """The namespace of the install that this process's files share."""
    with namespace(worker_id) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def install(cluster: Cluster) -> Install:
    values: dict[str, object] = {
        "images": images(),
        # The shortest there is, so that a test need not wait a minute for zero.
        "modelDefaults": {"scale": {"window": "6s"}},
        "ensemble": {"service": {"type": "NodePort"}},
    }
    cluster.install(RELEASE, values)
    http_address = f"http://{cluster.node_port(f'{RELEASE}-ensemble', 'http')}"
    return Install(cluster, http_address, cluster.front_door(RELEASE), ingress(), values)


@pytest.fixture
def front_door(install: Install) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=install.http, timeout=TIMEOUT_S) as client:
        yield client
