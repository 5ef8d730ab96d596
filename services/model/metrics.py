"""The model's totals in Prometheus' text format."""

from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from services.model.usecases import Totals

CONTENT_TYPE = CONTENT_TYPE_LATEST
_LABELS = ("model", "outcome")


class _TotalsCollector(Collector):
    def __init__(self, model: str, totals: Totals):
        self._model = model
        self._totals = totals

    def collect(self) -> Iterator[CounterMetricFamily]:
        totals = self._totals
        requests = CounterMetricFamily(
            "strata_model_requests", "Requests by outcome; wasted: computed for a caller that had gone", labels=_LABELS
        )
        for outcome, count in (("answered", totals.answered), ("failed", totals.failed), ("wasted", totals.wasted)):
            requests.add_metric([self._model, outcome], count)
        yield requests
        for name, text, value in (
            ("strata_model_passes", "Passes that requests ran in, alone or together", totals.passes),
            ("strata_model_compute_seconds", "Time in decoding and forward passes of answers", totals.compute_s),
            ("strata_model_cpu_seconds", "CPU time of answers", totals.cpu_s),
            (
                "strata_model_wasted_cpu_seconds",
                "CPU time spent on requests whose caller had gone",
                totals.wasted_cpu_s,
            ),
        ):
            family = CounterMetricFamily(name, text, labels=_LABELS[:1])
            family.add_metric([self._model], value)
            yield family


def exposition(model: str, totals: Totals) -> bytes:
    """Write the totals as one page."""
    registry = CollectorRegistry()
    registry.register(_TotalsCollector(model, totals))
    return generate_latest(registry)
