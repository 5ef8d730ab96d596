"""A pipeline's driver as a Kubernetes Job, put together from what the release's stages say."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from services.edge.errors import FailedPrecondition, NotFound
from services.edge.kubernetes_pods import Document

_RESOURCES = {
    "requests": {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "64Mi"},
    "limits": {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "256Mi"},
}
_OF_THE_POD = ("imagePullSecrets", "serviceAccountName", "nodeSelector", "tolerations", "affinity", "priorityClassName")
_TRIES = 6
_FOR_GOOD = [2, 3]
"""Exit codes that another try would not change: wrong input, and records that were set aside."""
_WHAT_ENDS_IT = {
    "action": "FailJob",
    "onExitCodes": {"containerName": "driver", "operator": "In", "values": _FOR_GOOD},
}
_WHAT_DOES_NOT_COUNT = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}


def stages_in_order(services: Sequence[Document], pipeline: str, namespace: str) -> list[Document]:
    """Sort a pipeline's Knative Services by the stage they serve.

    Raises:
        NotFound: there are none.
        FailedPrecondition: one has no address yet.
    """
    if not services:
        raise NotFound(
            f"no pipeline '{pipeline}' in namespace '{namespace}'; `pipelines` in the chart's values makes one"
        )
    for service in services:
        if not service.get("status", {}).get("address", {}).get("url"):
            raise FailedPrecondition(f"stage {service['metadata']['name']} is not ready yet; see `strata status`")
    return sorted(services, key=_number)


def job_name(pipeline: str, job: str) -> str:
    """The Kubernetes Job's name: what a name of theirs may hold of the job's."""
    return f"{pipeline}-{re.sub(r'[^a-z0-9-]+', '-', job.lower())}"[:63].strip("-")


def driver_job(stages: Sequence[Document], name: str, namespace: str, settings: Mapping[str, str]) -> Document:
    """Write the Job: the stages' image, their way to the store and to a collector of traces, their security.

    Args:
        stages: their Knative Services, in order.
        settings: the driver's own, without their prefix and the services.
    """
    pod = stages[0]["spec"]["template"]["spec"]
    stage = pod["containers"][0]
    given = {**settings, "SERVICES": ",".join(map(_place, stages))}
    environment = [
        *({"name": f"PIPELINE_{key}", "value": value} for key, value in given.items()),
        *(each for each in stage["env"] if each["name"].startswith(("AWS_", "OTEL_"))),
    ]
    labels = stages[0]["metadata"]["labels"] | {"app.kubernetes.io/component": "driver"}
    container = {
        "name": "driver",
        "image": stage["image"],
        "imagePullPolicy": stage.get("imagePullPolicy", "IfNotPresent"),
        "command": ["python", "-m", "services.pipeline"],
        "env": environment,
        "resources": _RESOURCES,
        "securityContext": stage["securityContext"],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    kept = {key: pod[key] for key in _OF_THE_POD if key in pod}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "backoffLimit": _TRIES,
            "podFailurePolicy": {"rules": [_WHAT_ENDS_IT, _WHAT_DOES_NOT_COUNT]},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    **kept,
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "containers": [container],
                    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}],
                },
            },
        },
    }


def has_ended(job: Document) -> bool:
    """Tell whether a Job is complete or has failed for good."""
    return is_complete(job) or _is(job, "Failed")


def is_complete(job: Document) -> bool:
    """Tell whether a Job has done what it was made for."""
    return _is(job, "Complete")


def exit_code(pod: Document) -> int | None:
    """The driver's exit code; None where its container has not ended."""
    for each in pod.get("status", {}).get("containerStatuses", []):
        if ended := each.get("state", {}).get("terminated"):
            code: int = ended["exitCode"]
            return code
    return None


def _is(job: Document, condition: str) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)


def _place(service: Document) -> str:
    host = urlsplit(service["status"]["address"]["url"]).hostname
    return f"{host}:80/{host}"


def _number(service: Document) -> int:
    environment: list[dict[str, Any]] = service["spec"]["template"]["spec"]["containers"][0]["env"]
    (compiled,) = [each["value"] for each in environment if each["name"] == "STAGE_COMPILED"]
    return int(compiled.rpartition("/")[2])
