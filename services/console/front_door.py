"""The front door of ensembles over HTTP: what it serves, and its metrics."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from services.console.ensembles import EnsembleCounts, LatencyCounts, MemberCounts, Observed, ServedEnsemble
from services.console.member_pods import Pods, nowhere
from services.edge.errors import Unavailable

_PATIENCE_S = 3.0
_PREFIX = "strata_ensemble_"


class FrontDoorClient:
    """Looks at the front door.

    Args:
        address: its URL now; empty where none is served.
        pods: of its members, where they run on a cluster.
    """

    def __init__(self, address: Callable[[], str], pods: Pods = nowhere):
        self._address, self._pods = address, pods

    @property
    def address(self) -> str:
        """Where it is now; empty where none is served."""
        return self._address()

    async def observe(self) -> Observed:
        """Read all. Raises Unavailable: it does not answer, or with something else."""
        address = self.address
        try:
            described, text, pods = await asyncio.gather(
                asyncio.to_thread(_get, f"{address}/v1/ensembles"),
                asyncio.to_thread(_get, f"{address}/metrics"),
                asyncio.to_thread(self._pods),
            )
            return observed(json.loads(described), text.decode(), time.monotonic(), pods)
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the front door at {address} does not answer as one: {error}") from error


def observed(
    described: list[dict[str, Any]], metrics: str, at_s: float, pods: Mapping[str, int] | None = None
) -> Observed:
    """Put together what the front door says of its ensembles, what it has counted, and what runs.

    Args:
        pods: of members by their models, where these run on a cluster; None where that is not known.
    """
    samples: dict[str, list[Sample]] = defaultdict(list)
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            samples[sample.name.removeprefix(_PREFIX)].append(sample)
    ensembles = [
        ServedEnsemble(
            each["name"],
            each["rule"],
            each["mode"],
            each["deadline_ms"],
            {member["model"]: member["weight"] for member in each["members"]},
            _counts(samples, each["name"], [member["model"] for member in each["members"]], pods),
        )
        for each in described
    ]
    return Observed(at_s, int(sum(each.value for each in samples["requests_under_way"])), ensembles)


def _counts(
    samples: dict[str, list[Sample]], ensemble: str, models: list[str], pods: Mapping[str, int] | None
) -> EnsembleCounts:
    def of(name: str, **labels: str) -> Iterator[Sample]:
        wanted = {"ensemble": ensemble, **labels}
        return (each for each in samples[name] if wanted.items() <= each.labels.items())

    def total(name: str, model: str) -> float:
        return sum(each.value for each in of(name, model=model))

    def latency(name: str, **labels: str) -> LatencyCounts:
        bounds: dict[float, float] = defaultdict(float)
        for each in of(f"{name}_bucket", **labels):
            bounds[float(each.labels["le"])] += each.value
        ends = (sum(each.value for each in of(f"{name}_{end}", **labels)) for end in ("sum", "count"))
        return LatencyCounts(tuple(sorted(bounds.items())), *ends)

    # Who runs the members' processes counts them; on a cluster that is not the front door.
    replicas = {} if pods is None else {model: pods.get(model, 0) for model in models}
    replicas |= {each.labels["model"]: int(each.value) for each in samples["member_replicas"]}
    members = {
        model: MemberCounts(
            {each.labels["state"]: each.value for each in of("members_total", model=model)},
            latency("member_latency_seconds", model=model),
            total("cold_starts_total", model),
            total("cpu_seconds_total", model),
            total("gb_seconds_total", model),
            total("cost_total", model),
            replicas.get(model),
        )
        for model in models
    }
    outcomes = {each.labels["outcome"]: each.value for each in of("requests_total")}
    currency = next((each.labels["currency"] for each in of("cost_total")), "")
    return EnsembleCounts(outcomes, latency("latency_seconds"), members, currency)


def _get(url: str) -> bytes:
    with urlopen(url, timeout=_PATIENCE_S) as answer:
        content: bytes = answer.read()
        return content
