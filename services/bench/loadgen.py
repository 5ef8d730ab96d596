"""MLPerf LoadGen's Server scenario over a service of ours: another judge, whose schedule and rules are its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from services.edge.errors import Unsupported

Issue: TypeAlias = Callable[[int, Callable[[], None]], None]
"""Begins a query, by its number, and soon returns; calls what it is given when the answer is there."""

_MARK = ":::MLLOG "


@dataclass(frozen=True)
class Trial:
    """What LoadGen says of a run: `late` of `queries` took longer than the limit; `valid` is its verdict."""

    valid: bool
    queries: int
    late: int


def server_scenario(issue: Issue, rate: float, limit_ms: float, share: float, queries: int) -> Trial:
    """Issue Poisson arrivals, and have LoadGen say whether `share` of them took `limit_ms` at most.

    Args:
        rate: queries a second.
    Raises:
        Unsupported: LoadGen is not installed.
    """
    loadgen = _loadgen()
    settings = loadgen.TestSettings()
    settings.scenario, settings.mode = loadgen.TestScenario.Server, loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = rate
    settings.server_target_latency_ns = int(limit_ms * 1e6)
    settings.server_target_latency_percentile = share
    settings.min_duration_ms = 1
    settings.min_query_count = settings.max_query_count = queries
    issued = 0

    def begin(samples: Any) -> None:
        nonlocal issued
        for sample in samples:
            issue(issued, _completion(loadgen, sample.id))
            issued += 1

    nothing: Callable[..., None] = lambda *_: None  # noqa: E731
    system = loadgen.ConstructSUT(begin, nothing)
    library = loadgen.ConstructQSL(queries, queries, nothing, nothing)
    with TemporaryDirectory() as folder:
        log = loadgen.LogSettings()
        log.enable_trace = False
        log.log_output.outdir = folder
        try:
            loadgen.StartTestWithLogSettings(system, library, settings, log)
            return _read(Path(folder) / "mlperf_log_detail.txt")
        finally:
            loadgen.DestroyQSL(library)
            loadgen.DestroySUT(system)


def _completion(loadgen: Any, query: int) -> Callable[[], None]:
    return lambda: loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query, 0, 0)])


def _read(path: Path) -> Trial:
    rows = [json.loads(line.removeprefix(_MARK)) for line in path.read_text().splitlines() if line.startswith(_MARK)]
    said = {row["key"]: row["value"] for row in rows}
    return Trial(said["result_validity"] == "VALID", said["result_query_count"], said["result_overlatency_query_count"])


def _loadgen() -> Any:
    try:
        import mlperf_loadgen
    except ImportError as error:
        raise Unsupported("MLPerf LoadGen is not installed; it is the package mlcommons-loadgen") from error
    return mlperf_loadgen
