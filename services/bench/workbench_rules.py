"""What the console answers that it must not, and what it holds while a large file comes."""

from collections.abc import Iterator
from typing import TypeAlias

import httpx

from services.bench.own_process import Tell
from services.bench.workbench_place import console_place, forget_peak, memory_mb
from services.bench.workbench_schema import Asked, SchemaCaller, schema_faults
from services.bench.workbench_subject import SMALL, WorkbenchSubject

Figures: TypeAlias = dict[str, float]
_UPLOAD_MB, _PIECE = 500, bytes(1 << 20)


def schema(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Ask everything in many ways, as two users, one of whom has what is asked about."""
    with console_place() as place, place.person("owner") as owner, place.person("other") as other:
        run = subject.run(owner, SMALL, size=64)["id"]
        document = httpx.get(f"{place.address}/openapi.json").json()
        document["paths"].pop("/api/log-out")  # a change that all later questions would suffer from
        callers = [
            SchemaCaller(dict(each.client.cookies), {"X-CSRF-Token": each.csrf_token}) for each in (owner, other)
        ]
        ids, asked = {"file": subject.upload(owner), "run": run}, Asked()
        faults = []
        for each in schema_faults(document, place.address, callers, ids, subject.effort.examples, asked, tell):
            tell(f"schema: {each}")
            faults.append(each)
        yield {
            "schema_faults": float(len(faults)),
            "schema_faults.operations": float(asked.operations),
            "schema_faults.asked": float(asked.cases),
        }


def upload(_: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Memory of the console over idle while a large file comes, at its most, in MiB."""
    with console_place() as place, place.person("owner") as owner:
        tell(f"upload: {_UPLOAD_MB} MB")
        owner.upload("small", b"what the first upload imports is no part of it")
        idle_mb = memory_mb(place.pid)
        forget_peak(place.pid)
        made = owner.client.post("/api/files", params={"path": "large"}, content=(_PIECE for _ in range(_UPLOAD_MB)))
        peak_mb = memory_mb(place.pid, "VmHWM")
        assert made.raise_for_status().json()["size_bytes"] == _UPLOAD_MB * len(_PIECE)
        yield {"upload_mb": peak_mb - idle_mb, "upload_mb.idle": idle_mb}
