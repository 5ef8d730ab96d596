"""A job's state, all of it in the object store, so that any machine can go on.

Below OUTPUT/JOB: `job.json` what it is; `predictions/RECORD.jsonl` its answers; `done/RECORD.json` a record is done and
what it took; `failed/RECORD.json` a record is set aside and why; `activations/RECORD/STAGE` what is under way;
`loss.json` what activations in fewer bits lose, on a sample; `report.json` its last run's sums. A record counts as
done when its file below `done` is there: that is written last.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from services.artifacts.precision import Encoding
from services.artifacts.record import SUFFIX
from services.artifacts.store import ObjectStore
from services.edge.errors import ArtifactExists, ArtifactNotFound, InvalidInput, OtherChain
from services.pipeline.domain import Job

_JOB = "job.json"
_LOSS = "loss.json"


class JobStore:
    """One job's objects."""

    def __init__(self, store: ObjectStore, job: str):
        if not job or job != job.strip("./") or "/" in job:
            raise InvalidInput(f"'{job}': a job's name has neither slashes nor dots at its ends")
        self.store = store
        self.name = job

    async def begin(self, job: Job) -> None:
        """Take the job's name. Raises ArtifactExists: another job has it."""
        try:
            await self.store.create(self._key(_JOB), _to_json(asdict(job)))
        except ArtifactExists as error:
            raise self._taken() from error

    async def exists(self) -> bool:
        """Tell whether the job was begun."""
        return await self.store.exists(self._key(_JOB))

    async def check_free(self) -> None:
        """See that no job has the name, before work is done for one. Raises ArtifactExists."""
        if await self.exists():
            raise self._taken()

    async def read(self) -> Job:
        """Read the job. Raises ArtifactNotFound: names the jobs there are."""
        try:
            content = json.loads(await self.store.read(self._key(_JOB)))
        except ArtifactNotFound as error:
            jobs = sorted({key.split("/")[0] for key in await self.store.keys() if key.endswith(f"/{_JOB}")})
            there = f"jobs there: {', '.join(jobs)}" if jobs else "there are none"
            raise ArtifactNotFound(f"no job '{self.name}' in {self.store.url}; {there}") from error
        tuples = {name: tuple(content[name]) for name in ("stages", "labels")}
        return Job(
            **{
                **content,
                **tuples,
                "activations": Encoding(content.get("activations", Encoding.FLOAT32)),
            }
        )

    async def resume(self, job: Job) -> Job:
        """Read the job and check that it is the one meant.

        Raises:
            OtherChain: another model, cuts, records or activations.
        """
        begun = await self.read()
        for what in ("model", "chain", "stages", "records", "activations"):
            if getattr(begun, what) != getattr(job, what):
                raise OtherChain(
                    f"job '{self.name}' is of {what} {getattr(begun, what)}, not {getattr(job, what)}; "
                    "resume it with what it was begun with"
                )
        return begun

    def urls_of(self, records: ObjectStore, record: str, stages: int) -> list[str]:
        """Where a record is, and then where each stage writes what it computed of it, as `Stages.take` wants them."""
        written = (self.store.url_of(self._activation_key(record, stage)) for stage in range(stages))
        return [records.url_of(record), *written]

    async def remove_activation(self, url: str) -> None:
        """Forget what a stage computed."""
        await self.store.remove([self.store.key_of(url)])

    async def finish(self, record: str, predictions: bytes, passage: dict[str, Any]) -> None:
        """Keep a record's answers, then that it is done; `clean` is to follow."""
        await self.store.write(self._key(f"predictions/{_stem(record)}.jsonl"), predictions)
        await self.store.write(self._key(f"done/{_stem(record)}.json"), _to_json(passage))

    async def clean(self, record: str, stages: int) -> None:
        """Remove what was under way of a record that is done, and that it had failed."""
        keys = [self._activation_key(record, stage) for stage in range(stages)]
        await self.store.remove([self._key(f"failed/{_stem(record)}.json"), *keys])

    async def set_aside(self, record: str, why: dict[str, Any]) -> None:
        """Keep why a record failed."""
        await self.store.write(self._key(f"failed/{_stem(record)}.json"), _to_json(why))

    async def done(self) -> dict[str, dict[str, Any]]:
        """Read what each record took that is done, by the record."""
        prefix = self._key("done/")
        found = {}
        for key in await self.store.keys(prefix):
            found[key.removeprefix(prefix).removesuffix(".json") + SUFFIX] = json.loads(await self.store.read(key))
        return found

    async def under_way(self) -> set[str]:
        """List the records of which something is under way."""
        prefix = self._key("activations/")
        return {key.removeprefix(prefix).rpartition("/")[0] + SUFFIX for key in await self.store.keys(prefix)}

    async def predictions(self, record: str) -> list[dict[str, Any]]:
        """Read a record's answers, a picture each."""
        content = await self.store.read(self._key(f"predictions/{_stem(record)}.jsonl"))
        return [json.loads(line) for line in content.splitlines()]

    def sample_url(self, name: str) -> str:
        """Where something of the sample is kept that is run in two precisions."""
        return self.store.url_of(self._key(f"sample/{name}"))

    async def write_sample(self, pieces: Iterable[bytes]) -> str:
        """Keep the sample's record, and return its URL."""
        await self.store.write(self._key("sample/record"), b"".join(pieces))
        return self.sample_url("record")

    async def remove_sample(self) -> None:
        """Forget the sample."""
        await self.store.remove(await self.store.keys(self._key("sample/")))

    async def loss(self) -> dict[str, Any] | None:
        """Read what the job's precision loses, where it was measured."""
        try:
            found: dict[str, Any] = json.loads(await self.store.read(self._key(_LOSS)))
        except ArtifactNotFound:
            return None
        return found

    async def write_loss(self, loss: dict[str, Any]) -> None:
        """Keep what the job's precision loses."""
        await self.store.write(self._key(_LOSS), _to_json(loss))

    async def write_report(self, report: dict[str, Any]) -> None:
        """Keep the job's report."""
        await self.store.write(self._key("report.json"), _to_json(report))

    def _taken(self) -> ArtifactExists:
        return ArtifactExists(
            f"{self.store.url} has a job '{self.name}'; go on with --resume {self.name}, or give another --job"
        )

    def _key(self, name: str) -> str:
        return f"{self.name}/{name}"

    def _activation_key(self, record: str, stage: int) -> str:
        return self._key(f"activations/{_stem(record)}/{stage}")


async def record_keys(store: ObjectStore) -> list[str]:
    """List the records of a store, sorted."""
    return [key for key in await store.keys() if key.endswith(SUFFIX)]


def _stem(record: str) -> str:
    return record.removesuffix(SUFFIX)


def _to_json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()
