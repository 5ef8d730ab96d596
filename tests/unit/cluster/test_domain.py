"""What the objects of a release say, as a cluster with Knative 1.15 wrote them."""

from typing import Any

import pytest

from services.cluster.domain import Workload, WorkloadState, judge_deployment, judge_other, judge_service

LABELS = {"app.kubernetes.io/component": "model"}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def service(
    *conditions: dict[str, str], newest: str = "m-00002", ready: str = "m-00002", **more: Any
) -> dict[str, Any]:
    traffic = more.pop("traffic", [{"revisionName": ready, "percent": 100}])
    status = {"observedGeneration": 2, "latestCreatedRevisionName": newest, "latestReadyRevisionName": ready}
    return {
        "metadata": {"name": "m", "generation": more.get("generation", 2), "labels": LABELS},
        "status": {**status, "conditions": list(conditions), "traffic": traffic},
    }


def revision(*conditions: dict[str, str]) -> dict[str, dict[str, Any]]:
    return {"m-00002": {"metadata": {"name": "m-00002"}, "status": {"conditions": list(conditions)}}}


READY = condition("Ready", "True")
AT_ZERO = condition("Active", "False", "NoTraffic", "The target is not receiving traffic.")


def test_a_model_at_zero_is_ready() -> None:
    judged = judge_service(service(READY), revision(READY, AT_ZERO))
    assert judged == Workload("model", "m", WorkloadState.READY, "m-00002", {"m-00002": 100})


def test_a_newest_revision_that_failed_is_a_failure_though_an_older_one_answers() -> None:
    broken = condition("ContainerHealthy", "False", "ExitCode2", "Container failed with: InvalidWeights")
    follows = condition("Ready", "False", "ExitCode2", "Container failed with: InvalidWeights")
    said = condition("Ready", "False", "RevisionFailed", 'Revision "m-00002" failed')
    judged = judge_service(service(said, ready="m-00001"), revision(follows, broken))
    assert judged.state is WorkloadState.FAILED
    assert judged.detail == "ExitCode2: Container failed with: InvalidWeights; m-00001 still answers"


def test_a_service_that_was_just_changed_is_starting() -> None:
    assert judge_service(service(READY, generation=3), revision(READY)).state is WorkloadState.STARTING


def test_a_newest_revision_that_is_not_ready_yet_is_starting() -> None:
    deploying = condition("ResourcesAvailable", "Unknown", "Deploying")
    judged = judge_service(service(condition("Ready", "Unknown"), ready="m-00001"), revision(deploying))
    assert (judged.state, judged.detail) == (WorkloadState.STARTING, "Deploying; m-00001 still answers")


def test_a_service_without_a_word_yet_is_starting() -> None:
    nothing = {"metadata": {"name": "m", "generation": 1, "labels": LABELS}}
    assert judge_service(nothing, {}) == Workload("model", "m", WorkloadState.STARTING, serving={})


def pod(revision: str, waits_for: str = "", **placed: str) -> dict[str, Any]:
    waiting = {"waiting": {"reason": waits_for, "message": "the message"}} if waits_for else {"running": {}}
    status = {"containerStatuses": [{"state": waiting}], "conditions": [placed] if placed else []}
    return {"metadata": {"labels": {"serving.knative.dev/revision": revision}}, "status": status}


def test_a_container_that_waits_in_vain_is_a_failure_before_knative_says_so() -> None:
    changed = service(condition("Ready", "Unknown"), ready="m-00001")
    judged = judge_service(changed, revision(), [pod("m-00001"), pod("m-00002", "CreateContainerConfigError")])
    assert judged.state is WorkloadState.FAILED
    assert judged.detail == "CreateContainerConfigError: the message; m-00001 still answers"


def test_a_container_that_ends_again_and_again_is_a_failure_with_its_last_words() -> None:
    ends = pod("m-00002", "CrashLoopBackOff")
    ends["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"message": "no such weights\n"}}
    judged = judge_service(service(condition("Ready", "Unknown")), revision(), [ends])
    assert (judged.state, judged.detail) == (WorkloadState.FAILED, "CrashLoopBackOff: no such weights")


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"limits": {"memory": "160Mi"}}, "OOMKilled: container stage has 160Mi of memory, which is too little"),
        ({}, "OOMKilled: container stage has too little memory"),
    ],
)
def test_a_container_that_ends_for_want_of_memory_says_so(resources: dict[str, Any], expected: str) -> None:
    ends = pod("m-00002", "CrashLoopBackOff")
    (container,) = ends["status"]["containerStatuses"]
    container |= {"name": "stage", "resources": resources, "lastState": {"terminated": {"reason": "OOMKilled"}}}
    judged = judge_service(service(condition("Ready", "Unknown")), revision(), [ends])
    assert (judged.state, judged.detail) == (WorkloadState.FAILED, expected)


def test_a_container_of_an_older_revision_or_one_that_is_being_made_is_no_failure() -> None:
    pods = [pod("m-00001", "CrashLoopBackOff"), pod("m-00002", "ContainerCreating")]
    assert judge_service(service(READY), revision(READY), pods).state is WorkloadState.READY


def test_a_pod_without_a_node_says_why_it_is_starting() -> None:
    unplaced = pod("m-00002", type="PodScheduled", status="False", reason="Unschedulable", message="Insufficient cpu")
    judged = judge_service(service(condition("Ready", "Unknown")), revision(), [unplaced])
    assert (judged.state, judged.detail) == (WorkloadState.STARTING, "Unschedulable: Insufficient cpu")


@pytest.mark.parametrize("seen", [True, False], ids=["by its pod", "by its revision"])
def test_a_pod_without_a_node_is_no_failure_though_knative_calls_its_revision_failed(seen: bool) -> None:
    cpu = ("False", "Unschedulable", "Insufficient cpu")
    newest = revision(condition("ResourcesAvailable", *cpu), condition("Ready", *cpu))
    unplaced = pod("m-00002", type="PodScheduled", status="False", reason="Unschedulable", message="Insufficient cpu")
    failed = condition("Ready", "False", "RevisionFailed", "Revision failed")
    judged = judge_service(service(failed, ready="m-00001"), newest, [unplaced] if seen else [])
    assert judged.state is WorkloadState.STARTING
    assert judged.detail == "Unschedulable: Insufficient cpu; m-00001 still answers"


def test_a_pod_without_a_node_hides_no_container_that_waits_in_vain() -> None:
    unplaced = pod("m-00002", type="PodScheduled", status="False", reason="Unschedulable", message="Insufficient cpu")
    judged = judge_service(service(), revision(), [unplaced, pod("m-00002", "ErrImageNeverPull")])
    assert judged.state is WorkloadState.FAILED


def test_traffic_for_a_revision_that_is_missing_is_a_failure() -> None:
    missing = condition(
        "RoutesReady", "False", "RevisionMissing", 'Revision "m-00009" referenced in traffic not found.'
    )
    judged = judge_service(service(condition("Ready", "False", "RevisionMissing"), missing), revision(READY))
    assert judged.state is WorkloadState.FAILED
    assert "m-00009" in judged.detail


def test_traffic_that_is_split_is_reported() -> None:
    split = [{"revisionName": "m-00002", "percent": 20}, {"revisionName": "m-00001", "percent": 80}, {"percent": 0}]
    judged = judge_service(service(READY, traffic=split), revision(READY))
    assert judged == Workload("model", "m", WorkloadState.READY, "m-00002", {"m-00002": 20, "m-00001": 80})


def deployment(*conditions: dict[str, str], **status: int) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "ensemble"}
    metadata = {"name": "door", "generation": 4, "labels": labels}
    return {"metadata": metadata, "spec": {"replicas": 1}, "status": {"conditions": list(conditions), **status}}


@pytest.mark.parametrize(
    ("document", "state", "detail"),
    [
        (
            deployment(observedGeneration=4, replicas=1, updatedReplicas=1, availableReplicas=1),
            WorkloadState.READY,
            "",
        ),
        (
            deployment(observedGeneration=4, replicas=2, updatedReplicas=1, availableReplicas=1),
            WorkloadState.STARTING,
            "1 of 1 pods are new, 1 ready",
        ),
        (
            deployment(observedGeneration=3, replicas=1, updatedReplicas=1, availableReplicas=1),
            WorkloadState.STARTING,
            "1 of 1 pods are new, 1 ready",
        ),
        (
            deployment(condition("Available", "False", "MinimumReplicasUnavailable"), observedGeneration=4),
            WorkloadState.STARTING,
            "0 of 1 pods are new, 0 ready",
        ),
        (
            deployment(
                condition("ReplicaFailure", "True", "FailedCreate", "exceeded quota: small"),
                condition("Available", "False"),
                observedGeneration=4,
            ),
            WorkloadState.FAILED,
            "FailedCreate: exceeded quota: small",
        ),
        (
            deployment(condition("Progressing", "False", "ProgressDeadlineExceeded", "too slow"), observedGeneration=4),
            WorkloadState.FAILED,
            "ProgressDeadlineExceeded: too slow",
        ),
    ],
    ids=["ready", "old pod", "not seen yet", "starting", "quota", "deadline"],
)
def test_a_front_door_is_what_its_deployment_says(document: dict[str, Any], state: WorkloadState, detail: str) -> None:
    assert judge_deployment(document) == Workload("ensemble", "door", state, detail=detail)


def test_a_container_before_the_others_that_waits_in_vain_is_a_failure() -> None:
    waits = pod("", "PodInitializing")
    waits["status"]["initContainerStatuses"] = pod("", "ImagePullBackOff")["status"]["containerStatuses"]
    judged = judge_deployment(deployment(observedGeneration=4, replicas=1, updatedReplicas=1), [waits])
    assert (judged.state, judged.detail) == (WorkloadState.FAILED, "ImagePullBackOff: the message")


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([READY, condition("UpgradeInProgress", "False")], WorkloadState.READY),
        ([condition("Ready", "False", "Initializing")], WorkloadState.FAILED),
        ([], WorkloadState.STARTING),
    ],
)
def test_a_ray_service_is_what_its_conditions_say(conditions: list[dict[str, str]], state: WorkloadState) -> None:
    document = {"metadata": {"name": "door", "labels": {}}, "status": {"conditions": conditions}}
    assert judge_other(document).state is state


def test_the_pods_that_take_requests_are_counted_by_revision() -> None:
    def running(revision: str, ready: str = "True", **metadata: str) -> dict[str, Any]:
        labels = {"serving.knative.dev/service": "m", "serving.knative.dev/revision": revision}
        return {"metadata": {"labels": labels, **metadata}, "status": {"conditions": [condition("Ready", ready)]}}

    pods = [
        running("m-00002"),
        running("m-00002"),
        running("m-00002", deletionTimestamp="2026-01-01T00:00:00Z"),
        running("m-00001"),
        running("m-00001", "False"),
    ]
    assert judge_service(service(), revision(), pods).pods == {"m-00001": 1, "m-00002": 2}
    assert judge_service({**service(), "metadata": {"name": "other"}}, revision(), pods).pods == {}
