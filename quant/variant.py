"""All that decides what a model computes, as one value."""

from dataclasses import dataclass, field

from quant.graph import Graph
from quant.precision import Plan
from quant.scales import Calibration


@dataclass(frozen=True, eq=False)
class Variant:
    """A graph, how each of its layers runs, and its integers: two variants of one model differ by edits."""

    graph: Graph
    plan: Plan = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
