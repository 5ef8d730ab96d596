"""Make objects of a cluster what a release declares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from services.edge.errors import FailedPrecondition

Document: TypeAlias = dict[str, Any]

_TRIES = 10


class Objects(Protocol):
    """The objects of a cluster, each under its path in Kubernetes' API."""

    def read(self, path: str) -> Document: ...

    def replace(self, path: str, document: Document) -> Document:
        """Raises FailedPrecondition where the object has changed since it was read."""
        ...


@dataclass(frozen=True)
class Declared:
    """An object as a release declares it; `path` is its place in Kubernetes' API."""

    path: str
    labels: Mapping[str, str]
    spec: Document


def enforce(objects: Objects, declared: Declared) -> bool:
    """Make an object's whole `spec` the declared one; return whether that changed anything.

    Helm 3 patches a custom resource by the difference of two manifests and does not look at the cluster. What a
    release that failed half way has changed, the next one takes for unchanged, and leaves.

    Raises:
        NotFound: there is no such object.
        FailedPrecondition: the object changes faster than it can be replaced.
        Unavailable: the cluster does not answer, or refuses.
    """
    for tries_left in reversed(range(_TRIES)):
        live = objects.read(declared.path)
        metadata = {**live["metadata"], "labels": {**live["metadata"].get("labels", {}), **declared.labels}}
        try:
            after = objects.replace(declared.path, {**live, "metadata": metadata, "spec": declared.spec})
        except FailedPrecondition:
            if not tries_left:
                raise
        else:
            return bool(after["metadata"]["generation"] != live["metadata"]["generation"])
    raise AssertionError("unreachable")
