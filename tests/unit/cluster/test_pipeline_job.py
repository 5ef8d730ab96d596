"""The Job of a pipeline's driver, from what its stages' Services say."""

from typing import Any

import pytest

from services.cluster.pipeline_job import driver_job, exit_code, has_ended, is_complete, job_name, stages_in_order
from services.edge.errors import FailedPrecondition, NotFound
from services.edge.kubernetes_pods import Document

SECRET = {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "r-store", "key": "AWS_ACCESS_KEY_ID"}}}
COLLECTOR = {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4317"}
SECURITY = {"runAsNonRoot": True, "readOnlyRootFilesystem": True}


def stage(name: str, number: int, ready: bool = True) -> Document:
    container: dict[str, Any] = {
        "image": "dev.local/strata/stage:1",
        "env": [{"name": "STAGE_COMPILED", "value": f"s3://strata/compiled/alexnet-abc/{number}"}, SECRET, COLLECTOR],
        "securityContext": SECURITY,
    }
    pod = {"containers": [container], "imagePullSecrets": [{"name": "pull"}]}
    status = {"address": {"url": f"http://{name}.ns.svc.cluster.local"}} if ready else {}
    metadata = {"name": name, "labels": {"strata.dev/pipeline": "alexnet"}}
    return {"metadata": metadata, "spec": {"template": {"spec": pod}}, "status": status}


def test_the_driver_calls_the_stages_in_their_order_with_their_image_and_store() -> None:
    stages = stages_in_order([stage(f"alexnet-{n}", n) for n in (10, 2, 1)], "alexnet", "ns")
    job = driver_job(stages, "alexnet-j", "ns", {"RECORDS": "s3://strata/in", "JOB": "j"})
    pod = job["spec"]["template"]["spec"]
    (driver,) = pod["containers"]
    environment = {each["name"]: each for each in driver["env"]}
    assert environment["PIPELINE_SERVICES"]["value"] == ",".join(
        f"alexnet-{n}.ns.svc.cluster.local:80/alexnet-{n}.ns.svc.cluster.local" for n in (1, 2, 10)
    )
    assert environment["PIPELINE_RECORDS"]["value"] == "s3://strata/in"
    assert environment["AWS_ACCESS_KEY_ID"] == SECRET
    assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == COLLECTOR
    assert "STAGE_COMPILED" not in environment
    assert (driver["image"], driver["securityContext"]) == ("dev.local/strata/stage:1", SECURITY)
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert pod["automountServiceAccountToken"] is False


def test_a_driver_that_dies_is_started_again_and_one_that_says_what_is_wrong_is_not() -> None:
    spec = driver_job([stage("s", 0)], "n", "ns", {})["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # what a policy for failed pods needs
    rules = spec["podFailurePolicy"]["rules"]
    assert rules[0]["action"] == "FailJob"
    assert rules[0]["onExitCodes"]["values"] == [2, 3]
    assert spec["backoffLimit"] > 0


def test_no_pipeline_and_one_that_is_not_ready_are_named() -> None:
    with pytest.raises(NotFound, match="no pipeline 'alexnet' in namespace 'ns'"):
        stages_in_order([], "alexnet", "ns")
    with pytest.raises(FailedPrecondition, match="stage alexnet-fc is not ready yet"):
        stages_in_order([stage("alexnet-fc", 0, ready=False)], "alexnet", "ns")


@pytest.mark.parametrize(
    ("job", "name"), [("first", "p-first"), ("Big Job.2", "p-big-job-2"), ("x" * 80, f"p-{'x' * 61}"), ("a-", "p-a")]
)
def test_the_jobs_name_is_one_that_kubernetes_takes(job: str, name: str) -> None:
    assert job_name("p", job) == name


def test_a_job_has_ended_by_its_conditions_and_a_pod_by_its_container() -> None:
    assert not has_ended({"status": {"active": 1}})
    assert not has_ended({"status": {"conditions": [{"type": "FailureTarget", "status": "True"}]}})
    failed, done = ({"status": {"conditions": [{"type": each, "status": "True"}]}} for each in ("Failed", "Complete"))
    assert (has_ended(failed), is_complete(failed)) == (True, False)
    assert (has_ended(done), is_complete(done)) == (True, True)
    assert exit_code({"status": {}}) is None
    assert exit_code({"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}}) == 3
