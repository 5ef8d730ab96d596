"""Receipts against the counters that the kernel keeps of their processes, and what metering costs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np

from services.bench.ensemble import EXAMPLES
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.edge.errors import Unsupported
from services.edge.grpc_channel import open_blocking_channel
from services.edge.meter import process_began, read_process
from services.edge.progress import Progress
from services.edge.receipts import CLOUD_RUN, Allocation, Usage, summary, write_receipt
from services.ensemble.receipt_log import ReceiptLog
from services.model.ledger import Ledger, Part
from services.zoo.cache_folder import default_cache
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file

Figures: TypeAlias = dict[str, float]

_MODEL = EXAMPLES / "measure" / "models" / "full-mobilenet-v2.yaml"
_ROOTS = (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup"))
_LARGE = 32
_SETTLE_S = 0.005


@dataclass
class ReceiptTotals:
    """What receipts add up to, in CPU seconds; `used` is the usage's, with what a start took."""

    used_s: float = 0.0
    allocated_s: float = 0.0
    unclaimed_s: float = 0.0
    latency_ms: tuple[float, ...] = ()

    def __add__(self, other: "ReceiptTotals") -> "ReceiptTotals":
        return ReceiptTotals(
            self.used_s + other.used_s,
            self.allocated_s + other.allocated_s,
            self.unclaimed_s + other.unclaimed_s,
            self.latency_ms + other.latency_ms,
        )


class Cgroup:
    """A control group of our own, version 1 or 2, that one process runs in."""

    def __init__(self, folder: Path):
        self.folder = folder

    def cpu_s(self) -> float:
        """The CPU time of all that ran in it, by the kernel."""
        first = self.folder / "cpuacct.usage"
        if first.exists():
            return int(first.read_text()) / 1e9
        rows = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        return int(rows["usage_usec"]) / 1e6


@contextmanager
def own_cgroup() -> Iterator[Cgroup]:
    """Make a control group, and remove it.

    Raises:
        Unsupported: this process may not.
    """
    root = next(root for root in _ROOTS if root.exists())
    folder = root / f"strata-bench-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        raise Unsupported(f"receipts are held against the counters of a cgroup of their own: {error}") from error
    try:
        yield Cgroup(folder)
    finally:
        folder.rmdir()


def receipts(requests: int, tell: Progress) -> Iterator[Figures]:
    """Hold sums of receipts against the counters: batch 1 and batch 32 alone, then in turns, then both at once."""
    compiled = compile_model(read_model_file(_MODEL), default_cache(os.environ), report=tell)
    counts = {1: requests, _LARGE: max(4, requests // 10)}
    errors: Figures = {}
    with own_cgroup() as cgroup:
        process = _start(compiled, cgroup)
        try:
            stub = _stub(process)
            tell("receipt_error: the first request")
            everything = _ask(stub, 1, 1)
            alone: dict[int, ReceiptTotals] = {}
            for batch, count in counts.items():
                tell(f"receipt_error: {count} requests of batch {batch}")
                before_s = cgroup.cpu_s()
                alone[batch] = _ask(stub, batch, count)
                errors[f"receipt_error.alone_{batch}"] = _error(alone[batch], cgroup.cpu_s() - before_s)
            each = counts[_LARGE]
            tell(f"receipt_error: {each} requests of either batch, in turns")
            in_turns, took_s = _in_turns(stub, each, cgroup)
            tell(f"receipt_error: {each} requests of either batch, both at once")
            before_s = cgroup.cpu_s()
            mixed = _at_once(stub, each)
            errors["receipt_error.mixed"] = _error(_sum(mixed.values()), cgroup.cpu_s() - before_s)
            for batch in counts:
                errors[f"receipt_error.turns_{batch}"] = _error(in_turns[batch], took_s[batch])
                errors[f"receipt_error.mixed_{batch}"] = _error(mixed[batch], took_s[batch])
            everything = _sum([everything, *alone.values(), *in_turns.values(), *mixed.values()])
        finally:
            process.terminate()
            said, _ = process.communicate(timeout=60)
        words = next(json.loads(line) for line in said.splitlines() if '"ended"' in line)
        accounted_s = everything.allocated_s + everything.unclaimed_s + words["unclaimed_cpu_seconds"]
        spent_s = cgroup.cpu_s()
    p50_ms = median(alone[1].latency_ms)
    yield {
        "receipt_error": max(errors.values()),
        **errors,
        "receipt_gap": abs(accounted_s / spent_s - 1),
        "receipt_gap.spent_s": spent_s,
        "receipt_gap.unclaimed_s": everything.unclaimed_s + words["unclaimed_cpu_seconds"],
        "metering_cost": _metering_ms() / p50_ms,
        "metering_cost.p50_ms": p50_ms,
    }


def _error(sums: ReceiptTotals, counted_s: float) -> float:
    return abs(sums.used_s / counted_s - 1)


def _sum(totals: Iterable[ReceiptTotals]) -> ReceiptTotals:
    return sum(totals, ReceiptTotals())


def _in_turns(
    stub: "oip_grpc.GRPCInferenceServiceStub", count: int, cgroup: Cgroup
) -> tuple[dict[int, ReceiptTotals], dict[int, float]]:
    """Send small and large requests in turns, none beside another: the kernel's counter tells what either batch takes.

    A small one takes more after a large one than after its like, which leaves the caches to it.
    """
    sums = dict.fromkeys((1, _LARGE), ReceiptTotals())
    took_s = dict.fromkeys(sums, 0.0)
    for _ in range(count):
        for batch in sums:
            before_s = cgroup.cpu_s()
            sums[batch] += _ask(stub, batch, 1)
            time.sleep(_SETTLE_S)  # what is freed after an answer has left is that request's
            took_s[batch] += cgroup.cpu_s() - before_s
    return sums, took_s


def _at_once(stub: "oip_grpc.GRPCInferenceServiceStub", count: int) -> dict[int, ReceiptTotals]:
    with ThreadPoolExecutor(2) as pool:
        asked = {batch: pool.submit(_ask, stub, batch, count) for batch in (1, _LARGE)}
    return {batch: each.result() for batch, each in asked.items()}


def _start(compiled: Path, cgroup: Cgroup) -> "subprocess.Popen[str]":
    """Start a model's service that is in the control group from its first instruction on."""
    environment = {**os.environ, "MODEL_COMPILED": str(compiled), "MODEL_THREADS": "1", "MODEL_HTTP_ADDRESS": ""}
    enter = f'echo $$ > "{cgroup.folder}/cgroup.procs" && exec "{sys.executable}" -m services.model'
    return subprocess.Popen(["sh", "-c", enter], env=environment, stdout=subprocess.PIPE, text=True)


def _stub(process: "subprocess.Popen[str]") -> "oip_grpc.GRPCInferenceServiceStub":
    assert process.stdout
    port = json.loads(process.stdout.readline())["grpc_port"]
    return oip_grpc.GRPCInferenceServiceStub(open_blocking_channel(f"127.0.0.1:{port}"))


def _ask(stub: "oip_grpc.GRPCInferenceServiceStub", batch: int, count: int) -> ReceiptTotals:
    """Send requests one after the other; what their receipts say is all that is kept."""
    image = np.random.default_rng(0).standard_normal((batch, 3, 224, 224), np.float32)
    tensor = oip.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=image.shape)
    request = oip.ModelInferRequest(
        model_name=read_model_file(_MODEL).name, inputs=[tensor], raw_input_contents=[image.tobytes()]
    )
    total = ReceiptTotals()
    for _ in range(count):
        began_s = time.perf_counter()
        said = stub.ModelInfer(request, timeout=600).parameters
        latency_ms = 1e3 * (time.perf_counter() - began_s)
        total += ReceiptTotals(
            said["cpu_seconds"].double_param + said["cold_cpu_seconds"].double_param,
            said["allocated_cpu_seconds"].double_param,
            said["unclaimed_cpu_seconds"].double_param,
            (latency_ms,),
        )
    return total


def _metering_ms(rounds: int = 500) -> float:
    """The CPU time that a request takes for its receipt: the meter, the ledger, the header, and the line in the log."""
    ledger = Ledger(process_began(), one_thread=True)
    with TemporaryDirectory() as folder:
        log = ReceiptLog(Path(folder))
        began_s = time.thread_time()
        for _ in range(rounds):
            ledger.arrive(1, read_process)
            before = read_process()
            (claim,) = ledger.claim([Part(1)], before, read_process())
            receipt = write_receipt([("model", Usage(1, claim.cpu_s), claim.allocation)], CLOUD_RUN)
            summary(receipt)
            log.append("", "ensemble", receipt, {"model": Allocation()})
        took_s = time.thread_time() - began_s
        log.close()
    return 1e3 * took_s / rounds
