"""The front door of ensembles over HTTP: what it serves, and its metrics."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from services.console.ensembles import EnsembleCounts, LatencyCounts, MemberCounts, Observed, ServedEnsemble
from services.edge.errors import Unavailable

_PATIENCE_S = 3.0
_PREFIX = "strata_ensemble_"


class FrontDoorClient:
    """Looks at the front door.

    Args:
        address: its URL now; empty where none is served.
    """

    def __init__(self, address: Callable[[], str]):
        self._address = address

    @property
    def address(self) -> str:
        """Where it is now; empty where none is served."""
        return self._address()

    async def observe(self) -> Observed:
        """Read all. Raises Unavailable: it does not answer, or with something else."""
        address = self.address
        try:
            described, text = await asyncio.gather(
                *(asyncio.to_thread(_get, f"{address}/{path}") for path in ("v1/ensembles", "metrics"))
            )
            return observed(json.loads(described), text.decode(), time.monotonic())
        except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"the front door at {address} does not answer as one: {error}") from error


def observed(described: list[dict[str, Any]], metrics: str, at_s: float) -> Observed:
    """Put together what the front door says of its ensembles and what it has counted."""
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
            _counts(samples, each["name"], [member["model"] for member in each["members"]]),
        )
        for each in described
    ]
    return Observed(at_s, int(sum(each.value for each in samples["requests_under_way"])), ensembles)


def _counts(samples: dict[str, list[Sample]], ensemble: str, models: list[str]) -> EnsembleCounts:
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

    replicas = {each.labels["model"]: int(each.value) for each in samples["member_replicas"]}
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
