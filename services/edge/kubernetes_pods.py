"""What Kubernetes says of pods that belong to Knative Services."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]
SERVICE, REVISION = "serving.knative.dev/service", "serving.knative.dev/revision"
"""The labels of a pod that say which it belongs to."""


def takes_requests(pod: Document) -> bool:
    """Tell whether a pod is ready, and not on its way out."""
    conditions: list[Document] = pod.get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def count_by_label(pods: Iterable[Document], label: str) -> Counter[str]:
    """Count the pods that take requests by a label of theirs; those without it are left out."""
    labels = (pod["metadata"].get("labels", {}) for pod in pods if takes_requests(pod))
    return Counter(each[label] for each in labels if label in each)
