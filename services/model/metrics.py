"""The model's totals in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from services.model.usecases import Totals

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _TotalsCollector(Collector):
    def __init__(self, model: str, totals: Totals):
        self._model = model
        self._totals = totals

    def collect(self) -> Iterator[CounterMetricFamily]:
        for name, text, value in (
            ("strata_model_answered", "Requests answered", self._totals.answered),
            ("strata_model_failed", "Requests refused or failed", self._totals.failed),
            ("strata_model_compute_seconds", "Time in decoding and forward passes", self._totals.compute_s),
            ("strata_model_cpu_seconds", "CPU time in decoding and forward passes", self._totals.cpu_s),
            ("strata_model_wasted", "Requests computed for callers that had gone", self._totals.wasted),
            ("strata_model_wasted_cpu_seconds", "CPU time of these", self._totals.wasted_cpu_s),
        ):
            family = CounterMetricFamily(name, text, labels=["model"])
            family.add_metric([self._model], value)
            yield family


def exposition(model: str, totals: Totals) -> bytes:
    """Write the totals as one page."""
    registry = CollectorRegistry()
    registry.register(_TotalsCollector(model, totals))
    return generate_latest(registry)
