"""How many processes each member of an ensemble has on a cluster: its pods that take requests."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Protocol
from urllib.parse import urlencode

from services.edge.errors import StrataError
from services.edge.kubernetes_api import KubernetesApi
from services.edge.kubernetes_pods import SERVICE, Document, count_by_label

_PIPELINE = "strata.dev/pipeline"
"""The label of a stage's pods: the model whose stage it is."""
_KEPT_S, _AGAIN_S = 1.0, 60.0

_log = logging.getLogger(__name__)


class Pods(Protocol):
    """Where members run; None where that is not known."""

    def __call__(self) -> Mapping[str, int] | None: ...


def nowhere() -> None:
    """Where no cluster is: nothing is known."""
    return


def counts_of(pods: Iterable[Document]) -> Mapping[str, int]:
    """Count pods that take requests, by model: those of its own service, or of all stages it is cut into."""
    seen = list(pods)
    return count_by_label(seen, _PIPELINE) + count_by_label(
        [pod for pod in seen if _PIPELINE not in pod["metadata"].get("labels", {})], SERVICE
    )


class ReleasePods:
    """The pods of a release, counted once a second at most, however many look; every member that has none has 0.

    Args:
        read: all of the release's. Raises StrataError where it may not, or cannot.
        clock: seconds.
    """

    def __init__(self, read: Callable[[], Iterable[Document]], clock: Callable[[], float]):
        self._read, self._clock = read, clock
        self._lock = Lock()
        self._counts: Mapping[str, int] | None = None
        self._until_s = float("-inf")

    def __call__(self) -> Mapping[str, int] | None:
        """Count them; see `Pods`."""
        with self._lock:
            if self._clock() < self._until_s:
                return self._counts
            try:
                self._counts, kept_s = counts_of(self._read()), _KEPT_S
            except StrataError as error:
                _log.warning("the members' pods are not counted: %s", error)
                self._counts, kept_s = None, _AGAIN_S
            self._until_s = self._clock() + kept_s
            return self._counts


def pods_of(release: str) -> Pods:
    """The pods of a release of this pod's namespace; of an empty name nothing is known."""
    if not release:
        return nowhere
    labels = {"app.kubernetes.io/part-of": "strata", "app.kubernetes.io/instance": release}
    query = urlencode({"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())})

    def read() -> list[Document]:
        api = KubernetesApi()
        found: list[Document] = api.read(f"/api/v1/namespaces/{api.namespace}/pods?{query}")["items"]
        return found

    return ReleasePods(read, time.monotonic)
