"""`strata pipeline submit`: the driver as a Kubernetes Job beside its stages; its log here, and its exit code."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import typer
from rich.console import Console

from services.artifacts.precision import Encoding
from services.cli.pipeline_follow import JobFollower
from services.cli.pipeline_report import print_report
from services.cluster.kubectl import Kubectl, own_namespace
from services.cluster.pipeline_job import driver_job, job_name, stages_in_order
from services.edge.errors import FailedPrecondition


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
    ended = JobFollower(kubectl, namespace, name, lambda line: console.print(line, markup=False)).follow()
    place = f"{wanted.to.rstrip('/')}/{job}"
    if ended.report is None:
        if ended.code == 0:
            words = f"Job {name} is done, but its log is gone, and its report with it. Answers: {place}/predictions"
            console.print(words, markup=False)
    elif as_json:
        typer.echo(json.dumps(ended.report, indent=1))
    else:
        print_report(ended.report, place)
    return ended.code
