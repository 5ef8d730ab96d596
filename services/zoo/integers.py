"""What quantising a model found: its scales, and how its layers are best run."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from quant.graph import Graph
from quant.precision import Mode, Plan, Precision, supported_plan, uniform_plan
from quant.scales import Calibration, IntegerWeights
from services.edge.errors import NoAutoPlan

_NONE: Plan = MappingProxyType({})
_NO_WEIGHTS: Mapping[str, IntegerWeights] = MappingProxyType({})


class Machine(NamedTuple):
    """What something was measured on: the instruction set of `quant.cpu`, and the threads computed with."""

    isa: str
    threads: int


class Integers(NamedTuple):
    """A model's calibration and what belongs to it.

    Attributes:
        auto_plan: the plan of `auto`; empty where none was measured.
        measured_on: where `auto_plan` was measured; None where that is not known.
        edited: precisions that a person gave single layers; they hold in `hybrid` and `int8`.
        isa: the instruction set the scales were chosen on; empty where that is not known.
        auto_weights: of layers that were refined for `auto_plan`, and run so in `auto`; at the scales of `calibration`.
    """

    calibration: Calibration = Calibration()
    auto_plan: Plan = _NONE
    measured_on: Machine | None = None
    edited: Mapping[str, Precision] = _NONE
    isa: str = ""
    auto_weights: Mapping[str, IntegerWeights] = _NO_WEIGHTS

    def calibration_in(self, mode: Mode) -> Calibration:
        """The calibration as a mode runs it."""
        if mode is not Mode.AUTO or not self.auto_weights:
            return self.calibration
        return replace(self.calibration, weights={**self.calibration.weights, **self.auto_weights})


def plan_of(name: str, graph: Graph, mode: Mode, integers: Integers) -> Mapping[str, Precision]:
    """How each layer runs in a mode; precisions that a person gave single layers hold in HYBRID and INT8.

    Args:
        name: the model's, for errors.
    Raises:
        NoAutoPlan: AUTO without a measured plan.
    """
    if mode is Mode.AUTO:
        if not integers.auto_plan:
            raise NoAutoPlan(f"mode auto has no plan for {name} yet: measure one when calibrating the model")
        return supported_plan(graph, integers.auto_plan)
    edited = {} if mode is Mode.FLOAT else integers.edited
    return supported_plan(graph, {**uniform_plan(graph, mode), **edited})
