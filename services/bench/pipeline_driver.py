"""How much memory the driver takes, and whether that grows with the job: the command itself, as a process."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from services.artifacts.store import open_store
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_subject import Figures, PipelineSubject
from services.edge.cpu_share import thread_count
from services.edge.errors import Unavailable
from services.local.process import start_service
from services.local.stages import stage_settings

_MODEL = "fashion-mobilenet-v2"
"""Small, so that 100 000 pictures take minutes; the driver sees records and scores, whatever the model."""
_PICTURE = (28, 28)
_PER_RECORD = 1000
_PICTURES = (10_000, 100_000)
_POLL_S = 0.1


def driver(subject: PipelineSubject) -> Iterator[Figures]:
    """The peak of `strata pipeline run` for 10 000 and for 100 000 pictures in records of 1000."""
    counts = (2_000, 4_000) if subject.quick else _PICTURES
    peaks = asyncio.run(_peaks(subject, counts))
    small, large = (peaks[count] / 1e6 for count in counts)
    yield {"peak_mb": large, "peak_mb.small": small, "peak_mb.growth": large / small}


async def _peaks(subject: PipelineSubject, counts: Sequence[int]) -> dict[int, int]:
    folders = subject.stages(_MODEL)
    scratch = subject.scratch / "driver"
    url = open_store(str(scratch), create=True).url
    peaks = {}
    async with AsyncExitStack() as stack:
        addresses = []
        for folder in folders:
            settings = stage_settings(folder, [url])
            child = await start_service("services.stage", folder.name, settings, scratch / "logs" / folder.name, 180)
            stack.push_async_callback(child.stop, 30.0)
            addresses.append(child.address)
        for pictures in counts:
            subject.progress(f"driver: {pictures} pictures")
            records = open_store(str(scratch / f"records-{pictures}"), create=True)
            await pack_synthetic(records, pictures, _PER_RECORD, _PICTURE)
            command = [sys.executable, "-m", "services.cli", "pipeline", "run", _MODEL, records.url]
            command += ["-o", str(scratch / "answers"), "--job", str(pictures), "--services", ",".join(addresses)]
            peaks[pictures] = await asyncio.to_thread(_peak_of, [*command, "--workers", str(2 * thread_count())])
    return peaks


def _peak_of(command: Sequence[str]) -> int:
    """Run a command and return the most memory its process held, in bytes, its children's left out.

    Raises:
        Unavailable: it failed; with what it said.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        peak = 0
        while True:
            peak = max(peak, _peak_now(process.pid))
            try:
                process.wait(_POLL_S)
                break
            except subprocess.TimeoutExpired:
                continue
        if process.returncode:
            assert process.stderr
            raise Unavailable(f"{' '.join(command[:5])}: {process.stderr.read()[-2000:]}")
    return peak


def _peak_now(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
