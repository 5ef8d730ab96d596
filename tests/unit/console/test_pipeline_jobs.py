"""Jobs as the console reads them, of a store that a real driver's `JobStore` has written."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from services.artifacts.store import ObjectStore, open_store
from services.console.pipeline_jobs import PipelineJobs
from services.edge.receipts import AWS_LAMBDA, Usage, price
from services.pipeline.domain import Job
from services.pipeline.job_store import JobStore

STAGES = ("conv", "fc")


def passage(record: str, gb_seconds: float) -> dict[str, object]:
    part = {"usage": asdict(Usage(1, 1.0, gb_seconds)), "peak_bytes": 100, "cold": True, "seconds": 2.0}
    return {"record": record, "pictures": 10, "failed_pictures": 0, "stages": dict.fromkeys(STAGES, part)}


@pytest.fixture
async def output(tmp_path: Path) -> ObjectStore:
    """One record done, one after its first stage, one set aside, one not begun."""
    records, output = (
        open_store(str(tmp_path / "records"), create=True),
        open_store(str(tmp_path / "output"), create=True),
    )
    for n in range(4):
        await records.write(f"{n}.record", b"")
    jobs = JobStore(output, "job")
    await jobs.begin(Job("job", "alexnet", "digest", STAGES, records.url, ()))
    await jobs.finish("0.record", b"", passage("0.record", 3.0))
    await output.write("job/activations/1/0", b"values")
    await jobs.set_aside("2.record", {"record": "2.record"})
    return output


async def test_a_job_under_way_says_where_its_records_are_and_what_it_cost(output: ObjectStore) -> None:
    (job,), faults = await PipelineJobs(lambda: [output.url], open_store).look()
    assert faults == []
    assert (job.records, job.done, job.failed, job.pictures, job.is_over) == (4, 1, 1, 10, False)
    assert [(stage.name, stage.waiting, stage.cold_starts) for stage in job.stages] == [("conv", 1, 1), ("fc", 0, 1)]
    assert job.money == pytest.approx(2 * price(Usage(1, 1.0, 3.0), AWS_LAMBDA))


async def test_a_job_that_is_over_has_its_reports_money(output: ObjectStore) -> None:
    jobs = JobStore(output, "job")
    for record in ("1.record", "3.record"):
        await jobs.finish(record, b"", passage(record, 1.0))
    await jobs.write_report({"money": 0.5, "tariff": vars(AWS_LAMBDA)})
    (job,), _ = await PipelineJobs(lambda: [output.url], open_store).look()
    assert (job.done, job.money, job.is_over) == (3, 0.5, True)


async def test_an_output_that_cannot_be_read_is_named_and_hides_no_other(output: ObjectStore) -> None:
    jobs, faults = await PipelineJobs(lambda: ["file:///not/there", output.url], open_store).look()
    assert [job.name for job in jobs] == ["job"]
    assert [fault.partition(": ")[0] for fault in faults] == ["file:///not/there"]


async def test_a_job_that_cannot_be_read_is_named_and_hides_no_other_of_its_output(output: ObjectStore) -> None:
    await output.write("before/job.json", json.dumps({"model": "m"}).encode())
    await output.write("half/job.json", b'{"model": ')
    jobs, faults = await PipelineJobs(lambda: [output.url], open_store).look()
    assert [job.name for job in jobs] == ["job"]
    assert [fault.partition(": ")[0] for fault in faults] == [output.url_of("before"), output.url_of("half")]


async def test_a_job_that_was_removed_and_run_again_says_what_it_took_this_time(output: ObjectStore) -> None:
    looked_at = PipelineJobs(lambda: [output.url], open_store)
    await looked_at.look()
    await output.remove(["job/done/0.json"])
    await looked_at.look()
    await JobStore(output, "job").finish("0.record", b"", passage("0.record", 7.0))
    (job,), _ = await looked_at.look()
    assert job.stages[0].usage.gb_seconds == 7.0
