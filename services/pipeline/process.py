"""A job's driver as a process, over stages that run elsewhere: as `strata pipeline submit` runs it on a cluster."""

import asyncio
import json
import logging
import os
import random
import signal
import socket
import time
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from services.artifacts.precision import Encoding
from services.artifacts.store import open_store
from services.edge.environment import read_settings, setting
from services.edge.errors import JobUnderWay, StrataError
from services.edge.lean_logs import configure_lean_logs
from services.edge.status import is_askers_fault
from services.edge.tracing import start_tracing
from services.pipeline.client import CALL_TIMEOUT_S, open_stages, split_service
from services.pipeline.domain import DEFAULT_TOP_K, Retry, job_of
from services.pipeline.driver import run_job
from services.pipeline.job_store import JobStore, record_keys
from services.pipeline.lease import Holder, Lease
from services.pipeline.means import JobStatus, Means
from services.pipeline.waking import sent_ahead, waking

PREFIX = "PIPELINE_"
EXIT_SET_ASIDE, EXIT_BAD_INPUT, EXIT_TRY_AGAIN = 3, 2, 1

_log = logging.getLogger("services.pipeline")


@dataclass(frozen=True)
class DriverSettings:
    """`services` are the stages in their order, apart by commas, each HOST:PORT, or HOST:PORT/NAME behind an ingress.

    `records` and `to` are URLs. A job that is there already is gone on with.
    """

    records: str
    to: str
    job: str
    services: str
    workers: int = setting(2, least=1, most=1024)
    top_k: int = setting(DEFAULT_TOP_K, least=1)
    activations: str = setting(str(Encoding.FLOAT32), one_of=tuple(map(str, Encoding)))


def main() -> int:
    """Run the job, and return the exit code.

    0 done, 3 done with records set aside; 2 where the input is at fault, 1 where another try may help.
    """
    configure_lean_logs("pipeline")
    try:
        start_tracing("strata-pipeline", os.environ)
        report = asyncio.run(_run(read_settings(DriverSettings, PREFIX, os.environ)))
    except asyncio.CancelledError:
        _log.info("stopped; nothing is lost: run the job again, and it goes on")
        return EXIT_TRY_AGAIN
    except (StrataError, OSError) as error:
        _log.error("%s: %s", type(error).__name__, error)
        return exit_code_of(error)
    except Exception:
        _log.exception("cannot run the job")
        return EXIT_TRY_AGAIN
    print(json.dumps({"event": "report", "report": report}), flush=True)
    return EXIT_SET_ASIDE if report["failed_records"] else 0


def exit_code_of(error: Exception) -> int:
    """That of `strata pipeline run`, but where another driver runs the job: its lease may have run out by then."""
    return EXIT_BAD_INPUT if is_askers_fault(error) and not isinstance(error, JobUnderWay) else EXIT_TRY_AGAIN


async def _run(settings: DriverSettings) -> dict[str, Any]:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    records, output = open_store(settings.records), open_store(settings.to, create=True)
    jobs = JobStore(output, settings.job)
    lease = Lease(output, settings.job, Holder(uuid.uuid4().hex, socket.gethostname(), os.getpid(), "", 0), _unknown)
    await lease.check()
    begun = await jobs.exists()
    keys = await record_keys(records)
    async with AsyncExitStack() as stack:
        services = map(split_service, settings.services.split(","))
        means = Means(
            stages=await stack.enter_async_context(open_stages(services, CALL_TIMEOUT_S)),
            workers=settings.workers,
            retry=Retry(random.random),
            clock=time.monotonic,
            sleep=asyncio.sleep,
            observe=_Progress(),
        )
        activations = Encoding(settings.activations)
        _log.info("waking the stages")
        stages = await stack.enter_async_context(waking(means))
        ahead = None
        if keys and not begun:
            ahead = await stack.enter_async_context(sent_ahead(means, stages, jobs, records, keys[0], activations))
        job = job_of(await stages.woken(), settings.job, records.url, settings.top_k, activations)
        if begun:
            job = await jobs.resume(job)
        else:
            await jobs.begin(job)
        return await lease.keep(run_job(means, job, jobs, records, ahead))


class _Progress:
    """Logs a line whenever another record is done or set aside."""

    def __init__(self) -> None:
        self._ended = -1

    def __call__(self, status: JobStatus) -> None:
        ended = status.done + status.failed
        if ended != self._ended:
            self._ended = ended
            failed = f", {status.failed} set aside" if status.failed else ""
            _log.info("%d of %d records%s", ended, status.records, failed)


def _unknown(_: Holder) -> bool:
    """A driver in another pod cannot be seen from here: its lease says whether it lives."""
    return False
