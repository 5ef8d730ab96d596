"""The area `pipeline`: which figures there are, what they are held to, and how they are shown."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from services.bench import (
    pipeline_cluster,
    pipeline_driver,
    pipeline_exact,
    pipeline_memory,
    pipeline_paper,
    pipeline_prediction,
    pipeline_ray,
    pipeline_speed,
)
from services.bench.pipeline_subject import Figures, PipelineSubject
from services.bench.report import Group
from services.edge.errors import Unsupported
from services.edge.progress import Progress
from services.local.memory_group import memory_group
from services.pipeline.sizing import MIB

PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino", "grpcio", "numpy", "obstore", "simpy")
BARS = {
    "exact": ">= 1",
    "exact.error": "<= 1e-5",
    "overhead": "<= 1.10",
    "efficiency.2": ">= 0.90",
    **{f"efficiency.{workers}": ">= 0.90" for workers in pipeline_speed.WORKERS if workers > 2},
    "gbs_ratio": "<= 0.55",
    "gbs_ratio.time": "<= 1.05",
    "cold_chain": "<= 1.4",
    "sim_error": "<= 0.15",
    "peak_mb.growth": "<= 1.2",
    "ray_ratio": "<= 1.15",
}
Part: TypeAlias = Callable[[PipelineSubject], Iterator[Figures]]
_PARTS: dict[str, Part] = {
    "overhead": pipeline_speed.overhead,
    "efficiency": pipeline_speed.efficiency,
    "simulation": pipeline_prediction.simulation,
    "memory": pipeline_memory.memory,
    "paper": pipeline_paper.paper,
    "driver": pipeline_driver.driver,
    "ray": pipeline_ray.ray,
    "exact": pipeline_exact.exact,
}
ON_KNATIVE = "cold"
_LIMITED = ("memory", "paper")
"""Stages run in cgroups there, which takes root."""
PARTS = (*_PARTS, ON_KNATIVE)
PLOTS = (
    Group(
        "Pictures a second by workers",
        "1/s",
        [f"pictures_per_s.{workers}" for workers in pipeline_speed.WORKERS],
        [str(workers) for workers in pipeline_speed.WORKERS],
    ),
    Group(
        "A record of 500 by the stages' memory",
        "GiB·s",
        [f"gb_s.{kind}.500" for kind in ("mem_max", "single", "floors")],
        ["memMax", "one size", "memMin"],
    ),
    Group(
        "From zero to an answer",
        "s",
        [f"cold_s.{name}" for name in (*pipeline_cluster.STAGES, "chain")],
        [*pipeline_cluster.STAGES, "the chain"],
    ),
)
TABULATED = ("figure_3.", "figure_4.", "figure_5.", "profile.", "floor_mib.", "peak_mib.", "chain_s.", "gb_s.")
"""Figures that the notes lay out as the paper does, or that others are made of."""


def check_place(parts: Sequence[str]) -> None:
    """See, before hours of measuring, that what the parts need is there. Raises Unsupported: names what is not."""
    limited = [part for part in parts if part in _LIMITED]
    if not limited:
        return
    try:
        with memory_group(MIB):
            pass
    except Unsupported as error:
        raise Unsupported(f"{' and '.join(limited)}: {error}; or name other --parts") from error


def measure(
    parts: Sequence[str], quick: bool, scratch: Path, place: pipeline_cluster.KnativePlace | None, progress: Progress
) -> Iterator[Figures]:
    """Measure the parts that are named, figures as they come; without a cluster, those that need none.

    Raises:
        StrataError: a stage or a run failed; Unsupported: memory cannot be limited here.
    """
    for part in parts:
        if part in _PARTS:
            yield from _PARTS[part](PipelineSubject(quick, scratch, progress))
        elif place:
            yield from pipeline_cluster.cold_chain(place)
