"""A run in lines of text, for terminals and logs."""

import math
from collections.abc import Iterator

from services.loadtest.run import ScenarioRun


def number(value: float) -> str:
    """Write a number for people; one that no answer gave is "never"."""
    return "never" if value == math.inf else "" if value == -math.inf else f"{value:.4g}"


def outcome_lines(run: ScenarioRun) -> Iterator[str]:
    """Say what became of the requests, and the verdict."""
    if summary := run.summary:
        p50, p90, p99 = (number(each.value) for each in summary.latencies_ms.values())
        ways = ", ".join(f"{count} {outcome}" for outcome, count in summary.outcomes.items() if count)
        yield f"{summary.requests} requests, {summary.offered:.1f} a second: {ways}; {summary.complete} by all members."
        yield f"Latency from when each was due: p50 {p50}, p90 {p90}, p99 {p99} ms; sent {summary.lag_ms:.1f} ms late."
        yield from (f"  {count} × {reason}" for reason, count in summary.reasons)
    if run.judgement.remark:
        yield run.judgement.remark
    yield f"Verdict: {run.judgement.verdict}"


def promises(run: ScenarioRun) -> Iterator[str]:
    """Say what became of each promise."""
    for each in run.judgement.findings:
        yield f"{each.promise}: {each.verdict}, measured {number(each.measured)}; {each.why}"
