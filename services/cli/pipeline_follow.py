"""The log of a driver's Job, followed to the Job's end, over whatever breaks the way to it meanwhile."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlencode

from services.cli.failures import EXIT_FAULT
from services.cluster.pipeline_job import exit_code, has_ended, is_complete
from services.cluster.usecases import ReadsLogs
from services.edge.errors import NotFound, Unavailable
from services.edge.kubernetes_pods import Document

_POLL_S = 1.0
_TRIES = 30
"""What breaks a log breaks calls too, for a while."""

Result = TypeVar("Result")


class FollowsLogs(ReadsLogs, Protocol):
    """The objects of a cluster, and the logs of its pods as they are written."""

    def follow_logs(self, namespace: str, pod: str) -> Iterator[str]: ...


class JobsEnd(NamedTuple):
    """The driver's exit code, and its report where its log has one."""

    code: int
    report: dict[str, Any] | None


class JobFollower:
    """Follows one Job.

    Args:
        say: prints a line of the log.
    """

    def __init__(self, cluster: FollowsLogs, namespace: str, name: str, say: Callable[[str], None]) -> None:
        self._cluster, self._namespace, self._name, self._say = cluster, namespace, name, say

    def follow(self) -> JobsEnd:
        """Say what each of the Job's pods logs, one after the other, until the Job has ended.

        Raises:
            Unavailable: the cluster does not answer any more.  NotFound: somebody deleted the Job.
        """
        report = None
        code: int | None = None
        for pod in self._pods():
            for line in self._lines(pod):
                said = _parse(line)
                if said.get("event") == "report":
                    report = said["report"]
                else:
                    self._say(said.get("event", line.rstrip()))
            code = self._exit_code(pod)
        if code is None:
            code = 0 if is_complete(self._job()) else EXIT_FAULT
        return JobsEnd(code, report)

    def _pods(self) -> Iterator[str]:
        """Yield the name of each pod once its container has started, until the Job has ended."""
        query = urlencode({"labelSelector": f"batch.kubernetes.io/job-name={self._name}"})
        seen: set[str] = set()
        while True:
            ended = has_ended(self._job())
            pods: list[Document] = self._read(f"/api/v1/namespaces/{self._namespace}/pods?{query}")["items"]
            pods.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
            for pod in pods:
                if pod["metadata"]["name"] not in seen and pod["status"]["phase"] != "Pending":
                    seen.add(pod["metadata"]["name"])
                    yield pod["metadata"]["name"]
            if ended:
                return
            time.sleep(_POLL_S)

    def _lines(self, pod: str) -> Iterator[str]:
        """Yield each line of a pod's log once: a stream that breaks off is followed anew, until the pod has ended."""
        seen = 0
        while not self._is_over(pod):
            for line in islice(self._cluster.follow_logs(self._namespace, pod), seen, None):
                seen += 1
                yield line
            time.sleep(_POLL_S)
        with suppress(NotFound):  # nobody can read the log of a pod that is gone
            whole = self._patiently(self._cluster.read_log, f"{self._pod(pod)}/log")
            yield from islice(StringIO(whole, newline=None), seen, None)

    def _is_over(self, pod: str) -> bool:
        try:
            phase: str = self._read(self._pod(pod))["status"]["phase"]
        except NotFound:
            return True
        return phase in ("Succeeded", "Failed")

    def _exit_code(self, pod: str) -> int | None:
        try:
            return exit_code(self._read(self._pod(pod)))
        except NotFound:
            return None

    def _pod(self, pod: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/pods/{pod}"

    def _job(self) -> Document:
        return self._read(f"/apis/batch/v1/namespaces/{self._namespace}/jobs/{self._name}")

    def _read(self, path: str) -> Document:
        return self._patiently(self._cluster.read, path)

    def _patiently(self, call: Callable[[str], Result], path: str) -> Result:
        for _ in range(_TRIES - 1):
            with suppress(Unavailable):
                return call(path)
            time.sleep(_POLL_S)
        return call(path)


def _parse(line: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
