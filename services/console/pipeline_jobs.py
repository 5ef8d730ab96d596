"""Jobs of pipelines, read from where their drivers keep them: what is done of each, stage by stage, and what it costs.

What lies below OUTPUT/JOB is in `services/pipeline/job_store.py`; nothing is written here.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from services.artifacts.record import SUFFIX
from services.artifacts.store import ObjectStore
from services.edge.errors import StrataError
from services.edge.receipts import AWS_LAMBDA, Tariff, Usage, price

_JOB = "/job.json"
MOST_JOBS = 50


@dataclass(frozen=True)
class StageProgress:
    """One stage of a job: `waiting` records have its values and not yet the next stage's."""

    name: str
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    peak_bytes: int = 0
    cold_starts: int = 0
    waiting: int = 0
    money: float = 0.0


@dataclass(frozen=True)
class JobProgress:
    """One job.

    Attributes:
        output: the URL of its store.
        records: of the whole job; None where their store cannot be read from here.
        is_over: its driver has written the report of a run that left nothing.
    """

    name: str
    model: str
    output: str
    records: int | None
    done: int
    failed: int
    pictures: int
    stages: tuple[StageProgress, ...]
    money: float
    currency: str
    is_over: bool


class PipelineJobs:
    """The jobs below some outputs.

    Args:
        outputs: URLs of stores, asked for at each look.
        open_store: as `services.artifacts.store.open_store`.
    """

    def __init__(self, outputs: Callable[[], Sequence[str]], open_store: Callable[[str], ObjectStore]):
        self._outputs, self._open_store = outputs, open_store
        # What a record took does not change once it is done; those of jobs that are looked at.
        self._passages: dict[str, Mapping[str, Any]] = {}

    async def look(self) -> tuple[list[JobProgress], list[str]]:
        """The jobs by name, the last ones only; and the outputs and jobs that cannot be read, with why."""
        jobs, faults, passages = list[JobProgress](), list[str](), dict[str, Mapping[str, Any]]()
        for url in self._outputs():
            try:
                store = self._open_store(url)
                keys = await store.keys()
            except (StrataError, ValueError) as error:
                faults.append(f"{url}: {error}")
                continue
            names = sorted(key.removesuffix(_JOB) for key in keys if key.endswith(_JOB) and key.count("/") == 1)
            for name in names[-MOST_JOBS:]:
                own = {key.removeprefix(f"{name}/") for key in keys if key.startswith(f"{name}/")}
                try:
                    jobs.append(await self._job(store, name, own, passages))
                except StrataError as error:
                    faults.append(f"{store.url_of(name)}: {error}")
                except (ValueError, KeyError, TypeError) as error:
                    faults.append(f"{store.url_of(name)}: damaged, or of another version: {error!r}")
        self._passages = passages
        return jobs, faults

    async def _job(
        self, store: ObjectStore, name: str, keys: set[str], kept: dict[str, Mapping[str, Any]]
    ) -> JobProgress:
        job = json.loads(await store.read(f"{name}{_JOB}"))
        report = json.loads(await store.read(f"{name}/report.json")) if "report.json" in keys else None
        tariff = Tariff(**report["tariff"]) if report else AWS_LAMBDA
        done = [key for key in sorted(keys) if key.startswith("done/")]
        passages = [await self._passage(store, f"{name}/{key}", kept) for key in done]
        stages = _stages(job["stages"], passages, keys, tariff)
        records, failed = await self._records(job["records"]), sum(key.startswith("failed/") for key in keys)
        return JobProgress(
            name,
            job["model"],
            store.url,
            records,
            len(done),
            failed,
            sum(passage["pictures"] for passage in passages),
            stages,
            report["money"] if report else sum(stage.money for stage in stages),
            tariff.currency,
            bool(report) and len(done) + failed >= (records or 0),
        )

    async def _passage(self, store: ObjectStore, key: str, kept: dict[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        url = store.url_of(key)
        found: Mapping[str, Any] = self._passages.get(url) or json.loads(await store.read(key))
        kept[url] = found
        return found

    async def _records(self, url: str) -> int | None:
        try:
            return sum(key.endswith(SUFFIX) for key in await self._open_store(url).keys())
        except StrataError:
            return None


def _stages(
    names: Sequence[str], passages: Sequence[Mapping[str, Any]], keys: set[str], tariff: Tariff
) -> tuple[StageProgress, ...]:
    # `activations/RECORD/STAGE`: the furthest that each record under way has come to.
    reached: dict[str, int] = {}
    for key in keys:
        if key.startswith("activations/"):
            record, _, stage = key.removeprefix("activations/").rpartition("/")
            reached[record] = max(reached.get(record, 0), int(stage))
    waiting, stages = Counter(reached.values()), []
    for number, name in enumerate(names):
        total = StageProgress(name, waiting=waiting[number])
        for part in (passage["stages"][name] for passage in passages):
            total = replace(
                total,
                usage=total.usage + Usage(**part["usage"]),
                seconds=total.seconds + part.get("seconds", 0.0),
                peak_bytes=max(total.peak_bytes, part["peak_bytes"]),
                cold_starts=total.cold_starts + part["cold"],
            )
        stages.append(replace(total, money=price(total.usage, tariff)))
    return tuple(stages)
