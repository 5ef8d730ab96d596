"""The tables and figures of papers/001 beside ours, as Markdown; each needs what it shows to have been measured.

The paper prints its figures as pictures; of them only the values that its text names are repeated here.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from services.bench.pipeline_memory import PER_RECORD
from services.bench.pipeline_paper import EFFORTS, seen_by_model
from services.bench.pipeline_prediction import CALIBRATED_WITH, PAPERS_RECORDS, PAPERS_SIZES, PAPERS_WORKERS
from services.bench.pipeline_subject import PAPERS, Figures
from services.edge.receipts import AWS_LAMBDA, Usage, price
from services.pipeline.sizing import MIB, STEP_BYTES

_TABLE_1 = {500: (1280, 1024, 768, 768), 1000: (2048, 1280, 1024, 768)}
_TABLE_2 = {
    500: {"mem_max": (57, 0.0558), "floors": (90, 0.0281)},
    1000: {"mem_max": (99, 0.0970), "floors": (134, 0.0582)},
}
_FIGURE_4 = {100: "28 s", 500: "57 s", 1000: "99 s; one GPU 176 s"}
_FIGURE_5 = {8: "below 902 s, its GPU's time", 32: "as 64", 64: "as 32, and dearer"}
_KINDS = {"mem_max": "memMax", "single": "one size", "floors": "memMin"}
SIZED = {name: (effort.floors.per_record,) if effort.floors else PER_RECORD for name, effort in EFFORTS.items()}
"""Pictures in the records of tables 1 and 2."""


def tables(figures: Figures) -> list[str]:
    """All that were measured, in the paper's order, each a heading with what is below it."""
    found = []
    for heading, table, said in _TABLES:
        parts = [text for name in EFFORTS if (text := table(name, seen_by_model(name, figures)))]
        if parts:
            found.append("\n\n".join([heading, *parts, said]))
    return found


def stages_of(figures: Mapping[str, float], prefix: str) -> list[str]:
    """The stages, in their order, of which there are figures `PREFIX.STAGE.SIZE`."""
    pattern = re.compile(rf"{re.escape(prefix)}\.(.+)\.\d+")
    return list(dict.fromkeys(found[1] for key in figures if (found := pattern.fullmatch(key))))


def sizes_of(figures: Mapping[str, float], prefix: str) -> list[int]:
    """The record sizes, ascending, of which there are figures `PREFIX.SIZE`."""
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d+)")
    return sorted(int(found[1]) for key in figures if (found := pattern.fullmatch(key)))


def _figure_3(name: str, figures: Figures) -> str:
    stages = stages_of(figures, "figure_3.s")
    if not stages:
        return ""
    rows = [
        [
            str(size),
            *(
                f"{figures[f'figure_3.s.{each}.{size}']:.2f}, {figures[f'figure_3.mib.{each}.{size}']:.0f}"
                for each in stages
            ),
        ]
        for size in sizes_of(figures, f"figure_3.s.{stages[0]}")
    ]
    return _markdown([f"{name}: pictures", *(f"{each}: s, MiB" for each in stages)], rows)


def _figure_4(name: str, figures: Figures) -> str:
    if f"figure_4.pipeline_s.{PAPERS_SIZES[0]}" not in figures:
        return ""
    papers = name == PAPERS
    rows = [
        [
            str(size),
            *([_FIGURE_4[size]] if papers else []),
            f"{figures[f'figure_4.pipeline_s.{size}']:.1f}",
            f"{figures[f'figure_4.machine_s.{size}']:.1f}",
        ]
        for size in PAPERS_SIZES
    ]
    headings = ["the paper", *_OURS_4] if papers else _OURS_4
    return _markdown([f"{name}: pictures a record", *headings], rows)


_OURS_4 = ["ours, from zero: s", "this machine, always on: s"]


def _figure_5(name: str, figures: Figures) -> str:
    if f"figure_5.time_s.{PAPERS_WORKERS[0]}" not in figures:
        return ""
    papers = name == PAPERS
    rows = [
        [
            str(workers),
            *([_FIGURE_5.get(workers, "")] if papers else []),
            f"{figures[f'figure_5.time_s.{workers}']:.0f}",
            f"{figures[f'figure_5.money.{workers}']:.4f}",
        ]
        for workers in PAPERS_WORKERS
    ]
    return _markdown([f"{name}: workers", *(["the paper"] if papers else []), "ours: s", "ours: USD"], rows)


def _table_1(name: str, figures: Figures) -> str:
    rows = []
    stages: list[str] = []
    for size in SIZED[name]:
        stages = [each for each in stages_of(figures, "floor_mib") if f"floor_mib.{each}.{size}" in figures]
        if not stages:
            return ""
        floors = [figures[f"floor_mib.{each}.{size}"] for each in stages]
        if name == PAPERS:
            rows.append([f"{size}, the paper, MB", *(f"{each}" for each in _TABLE_1[size]), f"{max(_TABLE_1[size])}"])
        rows.append([f"{size}, ours, MiB", *(f"{each:.0f}" for each in floors), f"{max(floors):.0f}"])
    return _markdown([f"{name}: pictures", *stages, "one size for all"], rows)


def _table_2(name: str, figures: Figures) -> str:
    rows = []
    for size in SIZED[name]:
        if f"chain_s.floors.{size}" not in figures:
            return ""
        for kind, word in _KINDS.items():
            theirs_s, theirs_usd = _TABLE_2.get(size, {}).get(kind, (None, None)) if name == PAPERS else (None, None)
            gb_seconds = PAPERS_RECORDS * figures[f"gb_s.{kind}.{size}"]
            usage = Usage(requests=PAPERS_RECORDS * len(stages_of(figures, "floor_mib")), gb_seconds=gb_seconds)
            rows.append(
                [
                    f"{word}-{size}",
                    "" if theirs_s is None else f"{theirs_s}",
                    f"{figures[f'chain_s.{kind}.{size}']:.1f}",
                    "" if theirs_usd is None else f"{theirs_usd:.4f}",
                    f"{price(usage, AWS_LAMBDA):.4f}",
                ]
            )
    return _markdown([name, "the paper: s", "ours: s", "the paper: USD", "ours: USD"], rows)


def _larger_floors() -> str:
    """How the floors of the larger networks are found."""
    return ", ".join(
        f"those of {name} in steps of {floors.step_bytes // MIB}, with {floors.records} record of {floors.per_record}"
        for name, effort in EFFORTS.items()
        if (floors := effort.floors)
    )


def _simulated_from() -> str:
    """The records that each network's simulation was calibrated with."""
    sizes = {name: (effort.samples.small, effort.samples.large or CALIBRATED_WITH) for name, effort in EFFORTS.items()}
    return ", ".join(f"of {small} and {large} for {name}" for name, (small, large) in sizes.items())


_TABLES: Sequence[tuple[str, Callable[[str, Figures], str], str]] = (
    (
        "## Figure 3: a record's time and memory at each stage, by its pictures",
        _figure_3,
        "![Figure 3](figure-3.png)\n\nMeasured, one record at a time through running stages; memory is the most "
        "that a stage's process had held by then. In the paper Conv_1 takes most of both and FC least, and memory "
        "grows with the record, up to 1000 pictures in 3008 MB; a stage of ours streams it, 16 pictures at a time.",
    ),
    (
        "## Figure 4: 20 records at once, beside one machine",
        _figure_4,
        "![Figure 4](figure-4.png)\n\nSimulated from what was measured here: 20 workers, instances from zero, a store "
        "as S3; beside this machine with the whole model on each of its CPUs, in place of the paper's GPU. What "
        f"records of up to 1000 pictures take is drawn out from smaller ones: {_simulated_from()}.",
    ),
    (
        "## Figure 5: 100 000 pictures in records of 1000, by workers",
        _figure_5,
        "![Figure 5](figure-5.png)\n\nSimulated, as above, at Lambda's prices of today. There are 100 records, so "
        "that more than 100 workers change nothing. The paper's curve is flat from 32 workers on.",
    ),
    (
        "## Table 1: the least memory of each stage",
        _table_1,
        f"Ours are floors found under real limits, in steps of {STEP_BYTES // MIB} MiB; {_larger_floors()}.",
    ),
    (
        "## Table 2: time and cost of 20 records, with the most and the least memory",
        _table_2,
        "Ours: one record through the warm chain under each limit (3008 MiB; the hungriest stage's floor for all; each "
        "stage's own; a tenth more than the floors), measured; 20 at once take as long where each has instances of its "
        "own. Lambda gives CPU by memory, ours have one CPU each.",
    ),
)


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headings)} |", f"| --- {'| ---: ' * (len(headings) - 1)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
