"""One install of the chart on the cluster that KUBECONFIG points at, for all tests of this folder.

A test here never skips: `make e2e` without a cluster fails.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services.bench.cluster import INGRESS, Cluster
from tests.cluster.installed import MEMBERS, RELEASE, TIMEOUT_S, Install, images


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    for tool in ("kubectl", "helm"):
        if shutil.which(tool) is None:
            pytest.fail(f"{tool} is not on the PATH")
    if not os.environ.get("KUBECONFIG"):
        pytest.fail("KUBECONFIG is not set: point it at a cluster with Knative Serving (k8s/README.md)")
    cluster = Cluster("strata-e2e", urlsplit(_ingress()).netloc)
    cluster.claim()
    yield cluster
    if not os.environ.get("STRATA_E2E_KEEP"):
        cluster.remove(wait=False)


def _ingress() -> str:
    return os.environ.get("INGRESS_URL", INGRESS)


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
    return Install(cluster, http_address, cluster.front_door(RELEASE), _ingress(), values)


@pytest.fixture(scope="session")
def rest_model(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A model that speaks REST, beside the others in a namespace of its own: base address, and its Host."""
    beside = Cluster(f"{cluster.namespace}-rest", cluster.ingress)
    beside.claim()
    name = MEMBERS[1]
    models: dict[str, object] = {**dict.fromkeys(MEMBERS), name: {"protocol": "rest", "scale": {"max": 1}}}
    beside.install("rest", {"images": images(), "models": models, "ensemble": {"replicas": 0}})
    yield _ingress(), beside.authority(name)
    beside.remove(wait=False)


@pytest.fixture
def front_door(install: Install) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=install.http, timeout=TIMEOUT_S) as client:
        yield client
