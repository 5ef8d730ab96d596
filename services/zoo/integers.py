"""What quantising a model found: its scales, and how its layers are best run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from quant.precision import Plan, Precision
from quant.scales import Calibration

_NONE: Plan = MappingProxyType({})


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
    """

    calibration: Calibration = Calibration()
    auto_plan: Plan = _NONE
    measured_on: Machine | None = None
    edited: Mapping[str, Precision] = _NONE
    isa: str = ""
