"""What the front door counts, in Prometheus' words."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ensemble.domain import Answer

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


def watch_replicas(models: Mapping[str, Callable[[], int]], registry: CollectorRegistry) -> None:
    """Tell how many processes of each member run, where whoever serves an ensemble runs them too."""
    replicas = Gauge(
        "strata_ensemble_member_replicas", "Processes of a member that run now", ["model"], registry=registry
    )
    for model, running in models.items():
        replicas.labels(model).set_function(running)


class Metrics:
    """Requests, their times, what became of members, and what it cost."""

    def __init__(self, registry: CollectorRegistry):
        self._requests = Counter(
            "strata_ensemble_requests_total",
            "Requests by outcome: answered, the error's class, or left",
            ["ensemble", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "strata_ensemble_latency_seconds",
            "Time to the answer",
            ["ensemble", "mode"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._members = Counter(
            "strata_ensemble_members_total",
            "Members asked, by what became of them",
            ["ensemble", "model", "state"],
            registry=registry,
        )
        self._member_seconds = Histogram(
            "strata_ensemble_member_latency_seconds",
            "A member's time to its answer",
            ["ensemble", "model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._cpu_seconds = Counter(
            "strata_ensemble_cpu_seconds_total",
            "CPU time of the members, as their receipts state it",
            ["ensemble", "model"],
            registry=registry,
        )
        self._gb_seconds = Counter(
            "strata_ensemble_gb_seconds_total",
            "Wall time of the members' work times the memory of their processes, in GiB·s, as their receipts state it",
            ["ensemble", "model"],
            registry=registry,
        )
        self._cost = Counter(
            "strata_ensemble_cost_total",
            "Money, as the receipts state it",
            ["ensemble", "model", "currency"],
            registry=registry,
        )
        self._cold_starts = Counter(
            "strata_ensemble_cold_starts_total",
            "Answers of members whose process answered its first request",
            ["ensemble", "model"],
            registry=registry,
        )
        self.under_way = Gauge("strata_ensemble_requests_under_way", "Requests under way", registry=registry)

    def answered(self, answer: Answer) -> None:
        """Count an answer and its members."""
        self._requests.labels(answer.ensemble, "answered").inc()
        self._seconds.labels(answer.ensemble, answer.mode).observe(answer.latency_ms / 1e3)
        for member in answer.members:
            self._members.labels(answer.ensemble, member.model, member.state).inc()
            if member.predictions:
                self._member_seconds.labels(answer.ensemble, member.model).observe(member.latency_ms / 1e3)
            if member.cold:
                self._cold_starts.labels(answer.ensemble, member.model).inc()
        for line in answer.receipt.lines:
            self._cpu_seconds.labels(answer.ensemble, line.name).inc(line.usage.cpu_seconds)
            self._gb_seconds.labels(answer.ensemble, line.name).inc(line.usage.gb_seconds)
            self._cost.labels(answer.ensemble, line.name, answer.receipt.tariff.currency).inc(line.money)

    def refused(self, ensemble: str, error: Exception) -> None:
        """Count a request that got no answer."""
        self._requests.labels(ensemble, type(error).__name__).inc()

    def left(self, ensemble: str) -> None:
        """Count a request that was cancelled before its answer."""
        self._requests.labels(ensemble, "left").inc()
