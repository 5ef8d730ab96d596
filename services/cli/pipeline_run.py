"""`strata pipeline run`: put a job together, run it, show where it is, print what it took."""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from services.artifacts.precision import Encoding
from services.artifacts.store import ObjectStore, open_store
from services.cli.completions import EXECUTORS
from services.cli.pipeline_lease import lease_of
from services.cli.pipeline_model import ChainWanted, choose_cutting, find_model
from services.cli.pipeline_report import print_report
from services.cli.steps import showing_progress
from services.edge.errors import ArtifactNotFound, InvalidInput, Unavailable
from services.edge.progress import Progress
from services.edge.receipts import Tariff
from services.edge.tracing import start_tracing
from services.local.noted_outputs import note_output
from services.local.running import state_folder
from services.local.stages import local_stages
from services.pipeline.client import CALL_TIMEOUT_S, StageClient, open_stages, split_service
from services.pipeline.domain import DEFAULT_WORKERS, Retry, Stages, job_of
from services.pipeline.driver import run_job
from services.pipeline.job_store import JobStore, record_keys
from services.pipeline.means import JobStatus, Means
from services.pipeline.pools import under_way_on
from services.pipeline.waking import sent_ahead, waking
from services.zoo.cache_folder import default_cache
from services.zoo.stage_compile import compile_stages

if TYPE_CHECKING:
    from services.cli.pipeline_planned import Planned

EXIT_SET_ASIDE = 3
ON_RAY = "ray"


@dataclass(frozen=True)
class RunWanted(ChainWanted):
    """What the command was asked for."""

    records: str
    to: str
    job: str
    resume: str
    services: str
    executor: str
    workers: int | None
    top_k: int
    activations: Encoding | None
    plan: Path | None
    tariff: Tariff


def run_pipeline(wanted: RunWanted, as_json: bool) -> int:
    """Run it, and return the exit code.

    Raises:
        StrataError: the model, its cuts, the records or the job are at fault, or the job cannot go on.
    """
    if wanted.job and wanted.resume:
        raise InvalidInput("--job and --resume exclude each other: a new job's name, or the job to go on with")
    _check_executor(wanted)
    start_tracing("strata-pipeline", os.environ)
    planned = _planned(wanted)
    name = wanted.resume or wanted.job or f"{_stem(wanted.model)}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    console = Console(stderr=True)
    try:
        with showing_progress(f"job {name}", console) as progress:
            # Without a terminal, a line at the start is enough: the report says the rest.
            tell = _describe if console.is_terminal else lambda _: f"running job {name}"
            report = asyncio.run(_run(wanted, planned, name, progress, tell))
    except KeyboardInterrupt:
        console.print(f"Interrupted. Nothing is lost: add --resume {name} to go on.", highlight=False, soft_wrap=True)
        raise
    if planned and not wanted.resume and not report["failed_records"]:
        report |= planned.compare(report, wanted.workers, wanted.tariff)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        print_report(report, f"{wanted.to.rstrip('/')}/{name}")
    return EXIT_SET_ASIDE if report["failed_records"] else 0


def _check_executor(wanted: RunWanted) -> None:
    if wanted.executor not in EXECUTORS:
        raise InvalidInput(f"--executor {wanted.executor}: it is {' or '.join(EXECUTORS)}")
    if wanted.executor == ON_RAY:
        if wanted.services:
            raise InvalidInput("--services names stages that run elsewhere; leave out --executor ray")
        from services.cli.pipeline_ray import check_ray_data

        check_ray_data()


def _planned(wanted: RunWanted) -> "Planned | None":
    if wanted.plan is None:
        return None
    # It simulates, and the images that runs are submitted in have no simulator.
    from services.cli.pipeline_planned import read_planned

    return read_planned(wanted.plan, wanted.stages, wanted.at)


async def _run(
    wanted: RunWanted, planned: "Planned | None", name: str, progress: Progress, tell: Callable[[JobStatus], str]
) -> dict[str, Any]:
    records = open_store(wanted.records)
    output = open_store(wanted.to, create=True)
    jobs = JobStore(output, name)
    lease = lease_of(output, name)
    # Before minutes of compilation.
    begun = None
    if wanted.resume:
        begun = await jobs.read()
    else:
        await jobs.check_free()
    await lease.check()
    keys = await record_keys(records)
    if not keys:
        raise ArtifactNotFound(f"{records.url}: no records here; make some with `strata pipeline pack`")
    workers = wanted.workers or (planned.workers if planned else DEFAULT_WORKERS)
    async with AsyncExitStack() as stack:
        stages = await stack.enter_async_context(_stages(wanted, planned, records, output, workers, progress))
        means = Means(
            stages=stages,
            workers=under_way_on(workers) if wanted.executor == ON_RAY else workers,
            retry=Retry(random.random),
            clock=time.monotonic,
            sleep=asyncio.sleep,
            observe=lambda status: progress(tell(status), status.done + status.failed, status.records),
            tariff=wanted.tariff,
        )
        activations = wanted.activations or (begun.activations if begun else Encoding.FLOAT32)
        progress("waking the stages")
        starting = await stack.enter_async_context(waking(means))
        ahead = None
        if not begun:
            ahead = await stack.enter_async_context(sent_ahead(means, starting, jobs, records, keys[0], activations))
        descriptions = await starting.woken()
        job = job_of(descriptions, name, records.url, wanted.top_k, activations)
        if planned:
            planned.check(job.model, job.chain)
        if begun:
            job = await jobs.resume(job)
        else:
            await jobs.begin(job)
            with suppress(Unavailable):  # in a pod nothing of this machine's can be written, nor is looked for
                note_output(state_folder(os.environ), output.url)
        return await lease.keep(run_job(means, job, jobs, records, ahead))


@asynccontextmanager
async def _stages(
    wanted: RunWanted,
    planned: "Planned | None",
    records: ObjectStore,
    output: ObjectStore,
    workers: int,
    progress: Progress,
) -> AsyncIterator[Stages]:
    """Open the stages: those that run elsewhere, actors on Ray, or child processes that end with this one."""
    if wanted.services:
        async with open_stages(map(split_service, wanted.services.split(",")), CALL_TIMEOUT_S) as client:
            yield client
        return
    folders = _compiled(wanted, planned, progress)
    if wanted.executor == ON_RAY:
        from services.cli.pipeline_ray import ray_stages

        memory = planned.memory_bytes if planned else {}
        async with ray_stages(folders, records, output, workers, memory, progress) as fed:
            yield fed
        return
    logs = state_folder(os.environ) / "logs"
    stores = [records.url, output.url]
    async with local_stages({each.name: each for each in folders}, stores, logs, 2 * CALL_TIMEOUT_S) as supervisor:
        yield StageClient([partial(supervisor.channel, folder.name) for folder in folders], CALL_TIMEOUT_S)


def _compiled(wanted: RunWanted, planned: "Planned | None", progress: Progress) -> list[Path]:
    model_file = find_model(wanted.model, wanted.weights)
    if planned:
        planned.check(model_file.name)
    cutting = planned.cutting() if planned else choose_cutting(model_file, wanted.stages, wanted.at)
    runtime = planned.runtime if planned else wanted.runtime
    return compile_stages(model_file, cutting, default_cache(os.environ), runtime, progress)


def _describe(status: JobStatus) -> str:
    busy = ", ".join(f"{stage} {count}" for stage, count in status.busy.items())
    failed = f", {status.failed} set aside" if status.failed else ""
    return f"records ({busy}{failed}; {status.money:.6f} {status.currency})"


def _stem(model: str) -> str:
    return Path(model).stem
