"""Where the time of cold starts went: models' own words, and pods' conditions."""

import json
from typing import Any

import pytest

from services.cluster.cold_starts import ColdStart, medians, start_of_pod, starts_in_log

OWN = {"interpreter": 300.0, "servers": 20.0, "engine": 200.0, "weights": 50.0, "first_pass": 30.0}
LOG = ["not JSON", json.dumps({"event": "ready", "start_ms": OWN}), json.dumps({"event": "other"}), "[1]"]


def pod(**times: str) -> dict[str, Any]:
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": time} for kind, time in times.items()]
    running = [
        {"name": name, "state": {"running": {"startedAt": f"2026-01-01T00:00:0{second}Z"}}}
        for name, second in (("queue-proxy", 4), ("model", 3))
    ]
    return {
        "metadata": {
            "name": "m-1",
            "labels": {"serving.knative.dev/service": "m"},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "status": {"conditions": conditions, "containerStatuses": running},
        "spec": {"containers": [{"name": "model"}, {"name": "queue-proxy"}]},
    }


def test_a_log_has_a_start_for_each_process() -> None:
    assert starts_in_log("m", LOG * 2) == [ColdStart("m", OWN)] * 2


def test_a_pods_phases_add_up_to_its_time_until_ready() -> None:
    times = {"PodScheduled": "00:00:01", "PodReadyToStartContainers": "00:00:02", "Ready": "00:00:05"}
    start = start_of_pod(pod(**{kind: f"2026-01-01T{time}Z" for kind, time in times.items()}), LOG)
    assert start
    assert start.total_ms == pytest.approx(5000)
    assert (start.name, start.phases_ms["scheduled"], start.phases_ms["ready"]) == ("m", 1000, 1400)


def test_a_pod_that_is_not_ready_has_no_start_yet() -> None:
    assert start_of_pod(pod(PodScheduled="2026-01-01T00:00:01Z"), LOG) is None


def test_medians_keep_the_order_of_the_phases() -> None:
    starts = [ColdStart("m", {"weights": each, "engine": 1.0}) for each in (1.0, 9.0, 2.0)]
    assert list(medians(starts)["m"].items()) == [("engine", 1.0), ("weights", 2.0)]
