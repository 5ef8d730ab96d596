"""A run as one HTML file that needs nothing beside it: verdict, numbers, plots."""

import io
import math
from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape
from typing import Any

from services.edge.html_page import figure, html_page, paragraph, table
from services.loadtest.arrivals import expected_by
from services.loadtest.confidence import percentile
from services.loadtest.run import ScenarioRun
from services.loadtest.samples import Sample
from services.loadtest.summary import latencies_ms
from services.loadtest.text import number
from services.loadtest.verdict import Verdict

_SOME = "answered by some members"
_COLOURS = {
    "answered": "#4477aa",
    _SOME: "#66ccee",
    "refused": "#ccbb44",
    "expired": "#ee7733",
    "failed": "#cc3311",
    "wrong": "#aa3377",
}
_VERDICT_COLOURS = {Verdict.PASS: "#117733", Verdict.FAIL: "#cc3311", Verdict.NOT_PROVED: "#997700"}


def html_report(run: ScenarioRun, where: str, when: datetime) -> str:
    """Write the page.

    Args:
        where: the target's address.
        when: it was written.
    """
    judgement = run.judgement
    badge = f'<span class="badge" style="background:{_VERDICT_COLOURS[judgement.verdict]}">{judgement.verdict}</span>'
    target = (
        f"{where}, ensemble or model {run.target.ensemble}; {when:%Y-%m-%d %H:%M %Z}; "
        f"rates × {run.factor:g}; seed {run.scenario.seed}."
    )
    return html_page(
        f"{run.scenario.name}: {judgement.verdict}",
        (
            paragraph(run.scenario.about),
            paragraph(target),
            paragraph(judgement.remark, strong=True),
            table("Promises", ("promise", "verdict", "measured", "sure", "why"), _findings(run), words=5),
            table("Numbers", ("", ""), _numbers(run)),
            *(_figure(title, draw, run) for title, draw in _PLOTS.items() if run.samples),
        ),
        f"{escape(run.scenario.name)}: {badge}",
    )


def _findings(run: ScenarioRun) -> list[Sequence[str]]:
    return [
        (each.promise, str(each.verdict), number(each.measured), f"{100 * each.sure:.2f} %", each.why)
        for each in run.judgement.findings
    ]


def _numbers(run: ScenarioRun) -> list[Sequence[str]]:
    summary = run.summary
    if summary is None:
        return []
    rows: list[Sequence[str]] = [
        ("requests", f"{summary.requests}, {summary.offered:.1f} a second"),
        *((str(outcome), str(count)) for outcome, count in summary.outcomes.items()),
        ("answered by all members", str(summary.complete)),
        *(
            (f"p{100 * share:g} latency, ms", f"{number(each.value)} ({_bound(each.low)} to {_bound(each.high)})")
            for share, each in summary.latencies_ms.items()
        ),
        ("sent late by, p99, ms", number(summary.lag_ms)),
    ]
    if summary.cost_per_1000:
        rows.append(("1000 requests cost", number(summary.cost_per_1000.value)))
    return [*rows, *((f"{count} times", reason) for reason, count in summary.reasons)]


def _bound(value: float) -> str:
    """An end of an interval; where there were too few requests to know it there is none."""
    return number(value) if math.isfinite(value) else "?"


def _figure(title: str, draw: Callable[[Any, ScenarioRun], None], run: ScenarioRun) -> str:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    picture, axis = plt.subplots(figsize=(10, 3.6), layout="constrained")
    draw(axis, run)
    axis.spines[["top", "right"]].set_visible(False)
    buffer = io.StringIO()
    picture.savefig(buffer, format="svg", dpi=110)
    plt.close(picture)
    drawing = buffer.getvalue()
    return figure(title, f'<div class="drawn">{drawing[drawing.index("<svg") :]}</div>')


def _latency_over_time(axis: Any, run: ScenarioRun) -> None:
    for way, chosen in _by_way(run).items():
        due_s, latencies = [each.due_s for each in chosen], [each.latency_ms for each in chosen]
        # As pixels: a drawn dot each would make the file slow to open.
        axis.scatter(due_s, latencies, s=5, color=_COLOURS[way], label=way, rasterized=True)
    for name, limit_ms in run.scenario.slo.latency_ms.items():
        axis.axhline(limit_ms, color="#888888", linestyle="--", linewidth=1)
        axis.annotate(f"{name} limit", (0, limit_ms), fontsize=8, color="#555555", va="bottom")
    axis.set(xlabel="when the request was due, s", ylabel="latency from then, ms", yscale="log")
    for ticks in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
        ticks("{x:g}")
    axis.legend(loc="upper right", fontsize=8)


def _percentiles(axis: Any, run: ScenarioRun) -> None:
    ordered = latencies_ms(run.samples)
    shares = [each / 100 for each in range(1, 100)]
    shares += [0.995, 0.999] if len(ordered) >= 1000 else []
    bounds = [percentile(ordered, share) for share in shares]
    # By how rare: the distance to 100 % on a logarithmic scale puts p90, p99 and p99.9 side by side.
    rarity = [1 - share for share in shares]
    top = 1.05 * max(filter(math.isfinite, (end for each in bounds for end in (each.value, each.high))), default=1.0)
    # Where too few requests say how high it may be, the band has no upper end.
    highs = [each.high if math.isfinite(each.high) else top for each in bounds]
    lows = [max(0.0, each.low) for each in bounds]
    axis.plot(rarity, [each.value for each in bounds], color="#4477aa")
    axis.fill_between(rarity, lows, highs, color="#4477aa", alpha=0.25, linewidth=0)
    axis.set(xscale="log", xlabel="percentile, with its 98 % interval", ylabel="latency, ms")
    ticks = {0.5: "p50", 0.1: "p90", 0.05: "p95", 0.01: "p99", 0.001: "p99.9"}
    shown = {rare: name for rare, name in ticks.items() if rare >= min(rarity) - 1e-9}
    axis.set_xticks(list(shown), list(shown.values()))
    axis.set(xlim=(1, min(rarity)), ylim=(0, top))
    axis.minorticks_off()


def _arrivals(axis: Any, run: ScenarioRun) -> None:
    seconds = run.scenario.seconds
    at_s = [seconds * step / 200 for step in range(201)]
    planned = [expected_by(run.scenario.phases, run.factor, each) for each in at_s]
    axis.plot(at_s, planned, color="#888888", linestyle="--", label="scenario, on average")
    count = range(1, len(run.samples) + 1)
    axis.step([each.due_s for each in run.samples], count, where="post", color="#4477aa", label="due")
    axis.step(sorted(each.sent_s for each in run.samples), count, where="post", color="#ee7733", label="sent")
    axis.set(xlabel="s", ylabel="requests so far")
    axis.legend(fontsize=8)


def _outcomes(axis: Any, run: ScenarioRun) -> None:
    width_s = max(1.0, run.scenario.seconds / 60)
    bins = [n * width_s for n in range(math.ceil(run.scenario.seconds / width_s) + 1)]
    shown = _by_way(run)
    axis.hist(
        [[sample.due_s for sample in samples] for samples in shown.values()],
        bins,
        stacked=True,
        color=[_COLOURS[way] for way in shown],
        label=list(shown),
    )
    axis.set(xlabel="when the request was due, s", ylabel=f"requests in {width_s:g} s")
    axis.legend(fontsize=8)


def _by_way(run: ScenarioRun) -> dict[str, list[Sample]]:
    """Sort the samples by how they ended, in the colours' order; only ways that there are."""
    sorted_samples: dict[str, list[Sample]] = {way: [] for way in _COLOURS}
    for sample in run.samples:
        partly = sample.answered and not sample.ended.complete
        sorted_samples[_SOME if partly else str(sample.ended.outcome)].append(sample)
    return {way: samples for way, samples in sorted_samples.items() if samples}


_PLOTS: dict[str, Callable[[Any, ScenarioRun], None]] = {
    "Latency over time": _latency_over_time,
    "Percentiles": _percentiles,
    "Arrivals against the schedule": _arrivals,
    "Outcomes": _outcomes,
}
