"""A model made ready to run in a mode, and the machine it was measured on."""

import torch

from quant.cpu import this_cpu
from quant.engine import Engine
from quant.precision import Mode
from quant.variant import Variant
from services.edge.onednn import isa_cap
from services.workbench.engine_model import EngineModel
from services.zoo.integers import Integers, Machine, plan_of


def variant_of(model: EngineModel, mode: Mode, integers: Integers) -> Variant:
    """The model as it runs in a mode; precisions that a person gave single layers hold in HYBRID and INT8.

    Raises:
        NoAutoPlan: AUTO without a measured plan.
    """
    return Variant(model.graph, plan_of(model.name, model.graph, mode, integers), integers.calibration_in(mode))


def engine_of(model: EngineModel, mode: Mode, integers: Integers) -> Engine:
    """The model ready to run in a mode: `variant_of`, prepared.

    Raises:
        NotCalibrated: an integer mode without scales.
        NoAutoPlan: AUTO without a measured plan.
    """
    variant = variant_of(model, mode, integers)
    cpu, known = this_cpu(isa_cap()), model.shared.any_engine()
    engine = Engine(variant.graph, variant.plan, variant.calibration, cpu=cpu, reuse=known)
    if mode is Mode.FLOAT:
        model.shared.note(engine)
    return engine


def this_machine() -> Machine:
    """What is measured now is measured on this."""
    return Machine(this_cpu(isa_cap()).isa, torch.get_num_threads())


def other_machine(integers: Integers, here: Machine) -> str | None:
    """In words, where the plan of AUTO was measured otherwise than it would run here; None where it was not."""
    there = integers.measured_on
    if not integers.auto_plan or there is None or there == here:
        return None
    return (
        f"auto's plan was measured on {there.isa} with {there.threads} thread(s), here are {here.isa} and "
        f"{here.threads}: measure it again"
    )
