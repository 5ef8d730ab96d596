"""`strata pipeline submit`: the driver as a Kubernetes Job beside its stages; its log here, and its exit code."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import typer
from rich.console import Console

from services.artifacts.precision import Encoding
from services.cli.failures import EXIT_FAULT
from services.cli.pipeline_report import print_report
from services.cluster.kubectl import Kubectl, own_namespace
from services.cluster.pipeline_job import driver_job, exit_code, has_ended, job_name, stages_in_order
from services.edge.errors import FailedPrecondition
from services.edge.kubernetes_pods import Document

_POLL_S = 1.0


@dataclass(frozen=True)
class WantedJob:
    """What the command was asked for."""

    pipeline: str
    records: str
    to: str
    job: str
    namespace: str
    workers: int
    top_k: int
    activations: Encoding | None
    follow: bool


def submit_job(wanted: WantedJob, as_json: bool) -> int:
    """Make the Job, follow it unless told otherwise, and return its exit code.

    Raises:
        NotFound: no such pipeline in the namespace.  FailedPrecondition: a Job of that name is there.
        Unavailable, Unsupported: the cluster does not answer, or there is no kubectl.
    """
    kubectl, namespace = Kubectl(), wanted.namespace or own_namespace()
    query = urlencode({"labelSelector": f"strata.dev/pipeline={wanted.pipeline}"})
    found = kubectl.read(f"/apis/serving.knative.dev/v1/namespaces/{namespace}/services?{query}")["items"]
    stages = stages_in_order(found, wanted.pipeline, namespace)
    job = wanted.job or f"{wanted.pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    settings = {
        "RECORDS": wanted.records,
        "TO": wanted.to,
        "JOB": job,
        "WORKERS": str(wanted.workers),
        "TOP_K": str(wanted.top_k),
        "ACTIVATIONS": wanted.activations or Encoding.FLOAT32,
    }
    name = job_name(wanted.pipeline, job)
    try:
        kubectl.create(driver_job(stages, name, namespace, settings))
    except FailedPrecondition as error:
        raise FailedPrecondition(
            f"a Job '{name}' is in namespace '{namespace}'; give another --job, or delete that one to go on with it: "
            f"kubectl --namespace {namespace} delete job {name}"
        ) from error
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"Job {name} runs in namespace {namespace}.")
    if not wanted.follow:
        return 0
    code, report = _follow(kubectl, namespace, name, console)
    if report is not None:
        if as_json:
            typer.echo(json.dumps(report, indent=1))
        else:
            print_report(report, f"{wanted.to.rstrip('/')}/{job}")
    return code


def _follow(kubectl: Kubectl, namespace: str, name: str, console: Console) -> tuple[int, dict[str, Any] | None]:
    """Print the log of each of the Job's pods, one after the other; return the last one's exit code and its report."""
    report = None
    code: int | None = None
    for pod in _pods(kubectl, namespace, name):
        for line in kubectl.follow_logs(namespace, pod):
            said = _parse(line)
            if said.get("event") == "report":
                report = said["report"]
            else:
                console.print(said.get("event", line.rstrip()), markup=False)
        code = _exit_code_of(kubectl, namespace, pod)
    return (EXIT_FAULT if code is None else code), report


def _pods(kubectl: Kubectl, namespace: str, name: str) -> Iterator[str]:
    """Yield the name of each pod once its container has started, until the Job has ended."""
    query = urlencode({"labelSelector": f"batch.kubernetes.io/job-name={name}"})
    seen: set[str] = set()
    while True:
        ended = has_ended(kubectl.read(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"))
        pods: list[Document] = kubectl.read(f"/api/v1/namespaces/{namespace}/pods?{query}")["items"]
        pods.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        for pod in pods:
            if pod["metadata"]["name"] not in seen and pod["status"]["phase"] != "Pending":
                seen.add(pod["metadata"]["name"])
                yield pod["metadata"]["name"]
        if ended:
            return
        time.sleep(_POLL_S)


def _exit_code_of(kubectl: Kubectl, namespace: str, pod: str) -> int | None:
    """Wait for what the pod's container ended with; its log may end a moment before."""
    for _ in range(30):
        code = exit_code(kubectl.read(f"/api/v1/namespaces/{namespace}/pods/{pod}"))
        if code is not None:
            return code
        time.sleep(_POLL_S)
    return None


def _parse(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
