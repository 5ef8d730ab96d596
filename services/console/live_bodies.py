"""What the pages of ensembles and pipelines show, as JSON."""

from typing import Self

from pydantic import Field

from services.console.ensembles import EnsembleCounts, Lately, MemberCounts, Observed, ServedEnsemble
from services.console.http_bodies import Body
from services.console.pipeline_jobs import JobProgress, StageProgress


class MemberLiveBody(Body):
    """A member, since its front door started."""

    model: str
    weight: float
    replicas: int | None = Field(description="Processes that run now; null where nobody here knows")
    answered: int
    missing: int
    failed: int
    cold_starts: int
    mean_ms: float | None = Field(description="To its answer; null before the first")
    cpu_seconds: float
    gb_seconds: float
    money: float

    @classmethod
    def of(cls, model: str, weight: float, counts: MemberCounts) -> Self:
        answered, missing, failed = (int(counts.states.get(state, 0)) for state in ("answered", "missing", "failed"))
        return cls(
            model=model,
            weight=weight,
            replicas=counts.replicas,
            answered=answered,
            missing=missing,
            failed=failed,
            cold_starts=int(counts.cold_starts),
            mean_ms=counts.latency.mean_ms,
            cpu_seconds=counts.cpu_seconds,
            gb_seconds=counts.gb_seconds,
            money=counts.money,
        )


class EnsembleLiveBody(Body):
    """An ensemble: its requests since its front door started, and its latency lately."""

    name: str
    rule: str
    mode: str
    deadline_ms: int
    answered: int
    refused: int = Field(description="Requests that got an error instead of an answer")
    lately: int = Field(description="Answers in the last seconds, of which the latencies are")
    p50_ms: float | None
    p95_ms: float | None
    money: float
    currency: str
    members: list[MemberLiveBody]

    @classmethod
    def of(cls, ensemble: ServedEnsemble, lately: Lately) -> Self:
        counts, latency = ensemble.counts, lately.latency(ensemble)
        members = [
            MemberLiveBody.of(model, weight, counts.members[model]) for model, weight in ensemble.weights.items()
        ]
        return cls(
            name=ensemble.name,
            rule=ensemble.rule,
            mode=ensemble.mode,
            deadline_ms=ensemble.deadline_ms,
            answered=int(counts.outcomes.get("answered", 0)),
            refused=_refused(counts),
            lately=int(latency.count),
            p50_ms=latency.percentile_ms(0.5),
            p95_ms=latency.percentile_ms(0.95),
            money=sum(member.money for member in members),
            currency=counts.currency,
            members=members,
        )


class EnsemblesBody(Body):
    """All ensembles of the front door now."""

    address: str = Field(description="Of the front door; empty where none is served")
    fault: str = Field(description="Why nothing is known of it just now")
    under_way: int
    ensembles: list[EnsembleLiveBody]

    @classmethod
    def of(cls, address: str, observed: Observed, lately: Lately) -> Self:
        ensembles = [EnsembleLiveBody.of(each, lately) for each in observed.ensembles]
        return cls(address=address, fault="", under_way=observed.under_way, ensembles=ensembles)

    @classmethod
    def none(cls, address: str, fault: str = "") -> Self:
        return cls(address=address, fault=fault, under_way=0, ensembles=[])


class StageLiveBody(Body):
    """A stage of a job, over all records that are done."""

    name: str
    requests: int
    seconds: float = Field(description="That records were with it")
    gb_seconds: float
    peak_bytes: int
    cold_starts: int
    waiting: int = Field(description="Records whose values it has written, and the next stage not yet")
    money: float

    @classmethod
    def of(cls, stage: StageProgress) -> Self:
        return cls(
            name=stage.name,
            requests=stage.usage.requests,
            seconds=stage.seconds,
            gb_seconds=stage.usage.gb_seconds,
            peak_bytes=stage.peak_bytes,
            cold_starts=stage.cold_starts,
            waiting=stage.waiting,
            money=stage.money,
        )


class JobBody(Body):
    """A job of a pipeline."""

    name: str
    model: str
    output: str
    records: int | None = Field(description="Null where their store cannot be read from here")
    done: int
    failed: int
    pictures: int
    stages: list[StageLiveBody]
    money: float = Field(description="So far, at the job's tariff, or that of its driver's default until it has ended")
    currency: str
    is_over: bool

    @classmethod
    def of(cls, job: JobProgress) -> Self:
        plain = {name: value for name, value in vars(job).items() if name != "stages"}
        return cls(**plain, stages=[StageLiveBody.of(stage) for stage in job.stages])


class PipelinesBody(Body):
    """All jobs now."""

    jobs: list[JobBody]
    faults: list[str] = Field(description="Outputs that cannot be read, and why")


def _refused(counts: EnsembleCounts) -> int:
    return int(sum(count for outcome, count in counts.outcomes.items() if outcome != "answered"))
