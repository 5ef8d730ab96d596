"""Where the time of cold starts went: what models say of their own starts, and what Kubernetes says of their pods."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from services.edge.kubernetes_pods import SERVICE, Document

POD_PHASES = ("scheduled", "sandbox", "container")
"""Until the pod has a node, a sandbox with its volumes and network, and a running container; in whole seconds."""
PROCESS_PHASES = ("interpreter", "servers", "engine", "weights", "first_pass")
"""As `services.model.start_clock` says them."""
LAST_PHASE = "ready"
"""Until Kubernetes sends requests."""
PHASES = (*POD_PHASES, *PROCESS_PHASES, LAST_PHASE)


_KNATIVES = "queue-proxy"
"""The container that Knative puts beside ours."""


@dataclass(frozen=True)
class ColdStart:
    """One start of one process; `phases_ms` by name, in the order they passed."""

    name: str
    phases_ms: Mapping[str, float]

    @property
    def total_ms(self) -> float:
        """From nothing to ready."""
        return sum(self.phases_ms.values())


def starts_in_log(name: str, lines: Iterable[str]) -> list[ColdStart]:
    """Find what a process said of its start in its log; there may be several processes in one log."""
    return [ColdStart(name, said) for said in map(_phases, lines) if said]


def own_container(pod: Document) -> str:
    """The name of a pod's container that is not Knative's."""
    return next(str(each["name"]) for each in pod["spec"]["containers"] if each["name"] != _KNATIVES)


def start_of_pod(pod: Document, log: Iterable[str]) -> ColdStart | None:
    """Put together what Kubernetes and the log say of a pod's start; None where it is not ready yet."""
    labels = pod["metadata"].get("labels", {})
    times = {each["type"]: each.get("lastTransitionTime") for each in pod.get("status", {}).get("conditions", [])}
    running = [
        each["state"]["running"]["startedAt"]
        for each in pod.get("status", {}).get("containerStatuses", [])
        if each["name"] == own_container(pod) and "running" in each.get("state", {})
    ]
    if not running or not times.get("Ready"):
        return None
    moments = [pod["metadata"]["creationTimestamp"], times.get("PodScheduled"), times.get("PodReadyToStartContainers")]
    ends = [_seconds(moment) for moment in (*moments, running[0]) if moment]
    said = starts_in_log("", log)
    own = dict(said[-1].phases_ms) if said else {}
    pod_ms = {
        phase: max(0.0, 1e3 * (after - before))
        for phase, before, after in zip(POD_PHASES, ends, ends[1:], strict=False)
    }
    rest_ms = 1e3 * (_seconds(str(times["Ready"])) - ends[-1]) - sum(own.values())
    name = labels.get(SERVICE) or pod["metadata"]["name"]
    return ColdStart(name, {**pod_ms, **own, LAST_PHASE: max(0.0, rest_ms)})


def medians(starts: Sequence[ColdStart]) -> dict[str, dict[str, float]]:
    """Return the median of each phase in ms, by name; phases in their order."""
    names = sorted({start.name for start in starts})
    own = {name: [start for start in starts if start.name == name] for name in names}
    return {
        name: {
            phase: median(start.phases_ms.get(phase, 0.0) for start in own[name])
            for phase in PHASES
            if any(phase in start.phases_ms for start in own[name])
        }
        for name in names
    }


def _phases(line: str) -> dict[str, float]:
    try:
        said = json.loads(line)
        phases = said.get("start_ms") if isinstance(said, dict) else None
        return {phase: float(phases[phase]) for phase in PROCESS_PHASES if phase in phases} if phases else {}
    except (ValueError, TypeError):
        return {}


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
