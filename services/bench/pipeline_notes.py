"""How the pipeline's figures were measured, and the tables and figures of papers/001 beside ours."""

from collections.abc import Sequence

from services.bench.pipeline_memory import PER_RECORD
from services.bench.pipeline_prediction import PAPERS_RECORDS, PAPERS_SIZES, PAPERS_WORKERS
from services.bench.pipeline_subject import Figures
from services.edge.receipts import Usage, price
from services.pipeline.report import LAMBDA

_HOW = """
Random weights; pictures are synthetic JPEGs of 500x375, as large as most of ImageNet's. Stages are processes of this
machine, one thread a computation, and the store is a folder, unless said otherwise.

- `exact`: the share of outputs of the chain that are the whole model's bit for bit, in torch, float32, one thread, a
  micro-batch of 3: eight models, each cut at up to eight legal places one at a time, at all places at once, and in the
  stages that a service loads. `exact.error`: the largest difference over the largest output, in the other runtimes.
- `overhead`: the CPU time of all stages over that of the whole model as one stage, both in ONNX Runtime, a record of
  500 pictures at a time, the store included; it is held to its bar for the paper's AlexNet.
- `efficiency.2`: what a second worker brings, over what a second independent process of the whole model brings.
  `efficiency.4` and further: the rate over that with two workers, on as many CPUs as the machine has.
- `gbs_ratio`: GiB·s with each stage at its floor, over GiB·s with the floor of the hungriest stage for all: records of
  500 pictures, each stage's second record under a real limit of a tenth more, in both. `gbs_ratio.time`: the same for
  time.
- `cold_chain`, on Knative: the time of a record of 16 pictures through the four stages from zero, over the larger of
  the slowest stage's alone from zero and of all stages' CPU-seconds from their start to their first answer, over the
  node's CPUs.
- `sim_error`: the worst relative error of the simulated time over twelve runs that differ in workers, record size or
  both from those it was calibrated with.
- `peak_mb`: the memory of `strata pipeline run` itself for 100 000 pictures in records of 1000. `peak_mb.growth`: that
  over its memory for 10 000.

The paper's functions ran in TensorFlow on AWS Lambda in 2019, and Lambda gives a CPU share by the memory. Ours have one
CPU each whatever their memory. Its AlexNet's widths are not stated; ours are those of `alexnet-3c4f`.
"""
_TABLE_1 = {500: (1280, 1024, 768, 768), 1000: (2048, 1280, 1024, 768)}
_TABLE_2 = {500: ((57, 0.0558), (90, 0.0281)), 1000: ((99, 0.0970), (134, 0.0582))}
_STAGES = ("Conv_1", "Conv_2", "Conv_3", "FC")
_FIGURE_4 = {100: "28 s", 500: "57 s", 1000: "99 s; one GPU 176 s"}


def notes(figures: Figures) -> str:
    """The page's text below its figures."""
    parts = [_HOW.strip(), *_tables(figures)]
    return "\n\n".join(parts) + "\n"


def _tables(figures: Figures) -> list[str]:
    found = []
    if all(f"floor_mib.{stage}.{size}" in figures for stage in _STAGES for size in PER_RECORD):
        found += ["## Table 1: the least memory of each function, MB", _table_1(figures)]
        found += [
            "## Table 2: time and cost of 20 records, each function with the most and the least",
            _table_2(figures),
        ]
    if f"profile.picture_s.{_STAGES[0]}" in figures:
        found += ["## Figure 3: a record's time at each stage, by its pictures", _figure_3(figures)]
    if f"figure_4.pipeline_s.{PAPERS_SIZES[0]}" in figures:
        found += ["## Figure 4: 20 records at once, beside one machine", _figure_4(figures)]
    if f"figure_5.time_s.{PAPERS_WORKERS[0]}" in figures:
        found += ["## Figure 5: 100 000 pictures in records of 1000, by workers", _figure_5(figures)]
    return found


def _table_1(figures: Figures) -> str:
    rows = [
        [
            f"{size} pictures",
            *(
                f"{paper}, {figures[f'floor_mib.{stage}.{size}']:.0f}"
                for stage, paper in zip(_STAGES, _TABLE_1[size], strict=True)
            ),
        ]
        for size in PER_RECORD
    ]
    return _markdown(["paper, ours (MiB)", *_STAGES], rows) + (
        "\n\nThe paper's functions hold a whole record at a time; a stage of ours streams it, 16 pictures at a time."
    )


def _table_2(figures: Figures) -> str:
    rows = []
    for size in PER_RECORD:
        for (kind, word), (time_s, money) in zip(
            (("mem_max", "memMax"), ("floors", "memMin")), _TABLE_2[size], strict=True
        ):
            ours_s = figures[f"chain_s.{kind}.{size}"]
            usage = Usage(
                requests=PAPERS_RECORDS * len(_STAGES), gb_seconds=PAPERS_RECORDS * figures[f"gb_s.{kind}.{size}"]
            )
            rows.append([f"{word}-{size}", f"{time_s}", f"{ours_s:.1f}", f"{money:.4f}", f"{price(usage, LAMBDA):.4f}"])
    return _markdown(["", "paper: s", "ours: s", "paper: USD", "ours: USD"], rows) + (
        "\n\nOurs: one record through the warm chain under each limit, measured; 20 at once take as long where each "
        "has instances of its own. Money at Lambda's prices of today."
    )


def _figure_3(figures: Figures) -> str:
    def time_s(stage: str, pictures: int) -> float:
        return figures[f"profile.record_s.{stage}"] + pictures * figures[f"profile.picture_s.{stage}"]

    sizes = (1, 10, *PAPERS_SIZES)
    rows = [[str(size), *(f"{time_s(stage, size):.2f}" for stage in _STAGES)] for size in sizes]
    return _markdown(["pictures", *(f"{stage}: s" for stage in _STAGES)], rows) + (
        "\n\nFrom the profile: a line through two measured sizes. In the paper Conv_1 takes most and FC least."
    )


def _figure_4(figures: Figures) -> str:
    rows = [
        [
            str(size),
            _FIGURE_4[size],
            f"{figures[f'figure_4.pipeline_s.{size}']:.1f}",
            f"{figures[f'figure_4.machine_s.{size}']:.1f}",
        ]
        for size in PAPERS_SIZES
    ]
    return _markdown(["pictures a record", "paper", "ours, from zero: s", "this machine, always on: s"], rows) + (
        "\n\nSimulated from profiles measured here: 20 workers, instances from zero, a store as S3; beside this "
        "machine with the whole model running on each of its CPUs."
    )


def _figure_5(figures: Figures) -> str:
    rows = [
        [str(workers), f"{figures[f'figure_5.time_s.{workers}']:.0f}", f"{figures[f'figure_5.money.{workers}']:.4f}"]
        for workers in PAPERS_WORKERS
    ]
    return _markdown(["workers", "s", "USD"], rows) + (
        "\n\nSimulated, as above. The paper's curve falls up to 32 workers and is flat from there to 64, while its "
        "money rises. There are 100 records, so that more than 100 workers change nothing."
    )


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headings)} |", f"| --- {'| ---: ' * (len(headings) - 1)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
