"""The log of a submitted job's driver is followed to its end, whatever breaks on the way."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.cli import pipeline_follow
from services.cli.pipeline_follow import JobFollower
from services.edge.errors import NotFound, Unavailable

LINES = [json.dumps({"event": f"record {number}"}) + "\n" for number in range(3)]
REPORT = json.dumps({"event": "report", "report": {"records": 3}}) + "\n"


class Cluster:
    """A Job with one pod, whose log breaks off after `breaks_after` lines each time that it is followed.

    Args:
        lives: how often the pod is still running when it is looked at.
        gone: the pod, and its log, are not there once it has ended.
        silences: of the first calls, how many the cluster does not answer.
    """

    def __init__(self, breaks_after: int = 99, lives: int = 1, gone: bool = False, silences: int = 0) -> None:
        self.lives, self.breaks_after, self.gone, self.silences = lives, breaks_after, gone, silences
        self.asked: list[str] = []

    def read(self, path: str) -> Any:
        self.asked.append(path)
        if len(self.asked) <= self.silences:
            raise Unavailable("kubectl: connection refused")
        conditions = [] if self.lives > 0 else [{"type": "Complete", "status": "True"}]
        if "/jobs/" in path:
            return {"status": {"conditions": conditions}}
        if path.endswith("/pods/driver"):
            self.lives -= 1
            if self.gone and self.lives < 0:
                raise NotFound(path)
            return self._pod()
        return {"items": [] if self.gone and self.lives < 0 else [self._pod()]}

    def _pod(self) -> Any:
        ended = self.lives < 0
        state = {"terminated": {"exitCode": 0}} if ended else {"running": {}}
        status = {"phase": "Succeeded" if ended else "Running", "containerStatuses": [{"state": state}]}
        return {"metadata": {"name": "driver", "creationTimestamp": "1"}, "status": status}

    def read_log(self, path: str) -> str:
        if self.gone:
            raise NotFound(path)
        return "".join([*LINES, REPORT])

    def follow_logs(self, namespace: str, pod: str) -> Iterator[str]:
        yield from [*LINES, REPORT][: self.breaks_after]


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cluster], tuple[int, Any, list[str]]]:
    monkeypatch.setattr(pipeline_follow, "_POLL_S", 0.0)

    def followed(cluster: Cluster) -> tuple[int, Any, list[str]]:
        said: list[str] = []
        return *JobFollower(cluster, "ns", "job", said.append).follow(), said

    return followed


SAID = ["record 0", "record 1", "record 2"]


def test_a_log_that_is_whole_is_said_once(follow: Callable[[Cluster], Any]) -> None:
    assert follow(Cluster()) == (0, {"records": 3}, SAID)


@pytest.mark.parametrize("breaks_after", [0, 1, 3])
def test_a_log_that_breaks_off_costs_neither_a_line_nor_the_report(
    follow: Callable[[Cluster], Any], breaks_after: int
) -> None:
    assert follow(Cluster(breaks_after, lives=3)) == (0, {"records": 3}, SAID)


def test_a_cluster_that_is_silent_for_a_while_is_asked_again(follow: Callable[[Cluster], Any]) -> None:
    assert follow(Cluster(silences=5)) == (0, {"records": 3}, SAID)
    with pytest.raises(Unavailable):
        follow(Cluster(silences=1000))


def test_a_pod_that_is_gone_is_judged_by_its_jobs_end(follow: Callable[[Cluster], Any]) -> None:
    assert follow(Cluster(breaks_after=2, gone=True)) == (0, None, SAID[:2])
