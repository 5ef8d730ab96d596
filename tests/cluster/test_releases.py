"""The model that is served is the one in the values of the release that helm calls deployed, whatever came before."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest

from services.bench.cluster import CHART, Cluster, run
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.edge.errors import Unavailable
from tests.cluster.installed import MEMBERS, TIMEOUT_S, images, namespace

RELEASE = "releases"
CHANGED, LAST = "changed", "later"
"""Two models; helm changes them in the order of their names."""


@pytest.fixture(scope="module")
def beside() -> Iterator[Cluster]:
    with namespace("releases") as beside:
        yield beside


@pytest.fixture
def first(beside: Cluster) -> Iterator[int]:
    """A release whose models have two classes each; its revision in helm's history."""
    beside.install(RELEASE, values(2, 2))
    yield 1
    run("helm", "uninstall", RELEASE, "--namespace", beside.namespace, "--wait")


def values(changed: int | None, last: int = 2) -> dict[str, object]:
    """Two models that do not compute, with so many classes; None leaves the first one out."""
    models: dict[str, object] = dict.fromkeys(MEMBERS)
    for name, classes in ((CHANGED, changed), (LAST, last)):
        parameters = {"delay_ms": 1, "classes": classes}
        file = {"architecture": "sleep", "runtime": "sleep", "weights": "random://1", "parameters": parameters}
        if classes:
            models[name] = {"file": file, "scale": {"window": "6s"}}
    pair = {"members": [{"model": name} for name in (CHANGED, LAST) if models.get(name)]}
    ensemble = {"replicas": 0}
    return {"images": images(), "models": models, "ensembles": {"pair": pair}, "ensemble": ensemble}


def served(beside: Cluster, model: str = CHANGED) -> int:
    """How many classes the model has that answers."""
    beside.kubectl("wait", "ksvc", model, "--for=condition=Ready", f"--timeout={TIMEOUT_S}s")
    named = [("grpc.default_authority", beside.authority(model))]
    with grpc.insecure_channel(beside.ingress, named) as channel:
        stub = oip_grpc.GRPCInferenceServiceStub(channel)
        metadata = stub.ModelMetadata(oip.ModelMetadataRequest(name=model), timeout=TIMEOUT_S)
    return int(metadata.outputs[0].shape[1])


def upgrade(beside: Cluster, given: dict[str, object], *options: str) -> None:
    """Raises Unavailable where helm says failed."""
    command = ["helm", "upgrade", RELEASE, str(CHART), "--namespace", beside.namespace, "--reset-values"]
    run(*command, *options, "--values", "-", standard_input=json.dumps(given))


def roll_back(beside: Cluster, revision: int) -> None:
    """Raises Unavailable where helm says failed."""
    run("helm", "rollback", RELEASE, str(revision), "--namespace", beside.namespace)


@contextmanager
def refusing(beside: Cluster, model: str, classes: int) -> Iterator[None]:
    """Let the cluster refuse a change of the model's Service to so many classes, as somebody's policy would."""
    name = f"{beside.namespace}-{model}"
    file = f"object.spec.template.metadata.annotations[?'strata.dev/model-{model}']"
    resource = {"apiGroups": ["serving.knative.dev"], "apiVersions": ["*"], "resources": ["services"]}
    spec = {
        "matchConstraints": {"resourceRules": [{**resource, "resourceNames": [model], "operations": ["UPDATE"]}]},
        "validations": [{"expression": f"""!{file}.orValue('').contains('"classes":{classes}')"""}],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": beside.namespace}}
    bound = {"policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": here}}
    kinds = {"ValidatingAdmissionPolicy": spec, "ValidatingAdmissionPolicyBinding": bound}
    for kind, content in kinds.items():
        document = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
        run("kubectl", "apply", "--filename", "-", standard_input=json.dumps({**document, "spec": content}))
    try:
        annotation = {f"strata.dev/model-{model}": json.dumps({"classes": classes}, separators=(",", ":"))}
        patch = json.dumps({"spec": {"template": {"metadata": {"annotations": annotation}}}})
        _await_refusal(beside, "patch", "ksvc", model, "--type=merge", "--dry-run=server", "--patch", patch)
        yield
    finally:
        for kind in kinds:
            run("kubectl", "delete", kind, name)


def _await_refusal(beside: Cluster, *command: str) -> None:
    limit = time.monotonic() + TIMEOUT_S
    while time.monotonic() < limit:
        try:
            beside.kubectl(*command)
        except Unavailable:
            return
        time.sleep(0.5)
    pytest.fail("the policy does not take effect")


def test_going_back_serves_the_file_of_the_release_gone_back_to(beside: Cluster, first: int) -> None:
    upgrade(beside, values(3))
    assert served(beside) == 3
    roll_back(beside, first)
    assert served(beside) == 2
    upgrade(beside, values(3))
    upgrade(beside, values(2))
    assert served(beside) == 2


@pytest.mark.usefixtures("first")
def test_a_model_that_was_removed_comes_back_with_its_file(beside: Cluster) -> None:
    upgrade(beside, values(None))
    upgrade(beside, values(3))
    assert served(beside) == 3
    upgrade(beside, values(None))
    roll_back(beside, 3)
    assert served(beside) == 3


@pytest.mark.usefixtures("first")
def test_after_an_upgrade_that_failed_half_way_the_next_one_serves_its_own_file(beside: Cluster) -> None:
    with refusing(beside, LAST, 3), pytest.raises(Unavailable):
        upgrade(beside, values(3, last=3))
    assert served(beside) == 3, "the upgrade failed after it had changed this one"
    upgrade(beside, values(2))
    assert served(beside) == 2


@pytest.mark.usefixtures("first")
def test_an_atomic_upgrade_that_fails_half_way_leaves_what_was_served(beside: Cluster) -> None:
    with refusing(beside, LAST, 3), pytest.raises(Unavailable):
        upgrade(beside, values(3, last=3), "--atomic")
    assert (served(beside), served(beside, LAST)) == (2, 2)


def test_after_going_back_failed_half_way_the_next_attempt_goes_all_the_way(beside: Cluster, first: int) -> None:
    upgrade(beside, values(3, last=3))
    with refusing(beside, LAST, 2), pytest.raises(Unavailable):
        roll_back(beside, first)
    assert served(beside, LAST) == 3
    roll_back(beside, first)
    assert (served(beside), served(beside, LAST)) == (2, 2)


@pytest.mark.usefixtures("first")
def test_an_upgrade_that_changes_nothing_makes_no_revision(beside: Cluster) -> None:
    before = {each["metadata"]["name"] for each in beside.get("revisions")["items"]}
    upgrade(beside, values(2))
    assert {each["metadata"]["name"] for each in beside.get("revisions")["items"]} == before
