"""A run as JSON, for scripts."""

import math
from typing import Any

from services.loadtest.confidence import Bounds
from services.loadtest.run import ScenarioRun


def as_document(run: ScenarioRun) -> dict[str, Any]:
    """Spell a run: verdict, promises, numbers, and a row for each request. What no answer gave is null."""
    judgement, summary = run.judgement, run.summary
    return {
        "scenario": run.scenario.name,
        "factor": run.factor,
        "seed": run.scenario.seed,
        "target": run.target.ensemble,
        "verdict": str(judgement.verdict),
        "remark": judgement.remark,
        "promises": [
            {
                "promise": each.promise,
                "verdict": str(each.verdict),
                "measured": _finite(each.measured),
                "sure": each.sure,
                "why": each.why,
            }
            for each in judgement.findings
        ],
        "requests": summary.requests if summary else 0,
        "outcomes": {str(outcome): count for outcome, count in summary.outcomes.items()} if summary else {},
        "complete": summary.complete if summary else 0,
        "offered_per_second": summary.offered if summary else 0.0,
        "answered_per_second": summary.answered if summary else 0.0,
        "latency_ms": {f"p{100 * share:g}": _bounds(each) for share, each in summary.latencies_ms.items()}
        if summary
        else {},
        "lag_ms": summary.lag_ms if summary else None,
        "cost_per_1000": _bounds(summary.cost_per_1000) if summary and summary.cost_per_1000 else None,
        "samples": [
            {
                "due_s": round(each.due_s, 6),
                "sent_s": round(each.sent_s, 6),
                "done_s": round(each.done_s, 6),
                "outcome": str(each.ended.outcome),
                "complete": each.ended.complete,
                "reason": each.ended.reason,
            }
            for each in run.samples
        ],
    }


def _bounds(bounds: Bounds) -> dict[str, float | None]:
    return {"low": _finite(bounds.low), "value": _finite(bounds.value), "high": _finite(bounds.high)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
