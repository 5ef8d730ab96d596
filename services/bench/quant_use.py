"""The figures of using the workbench: a step, a jump, an edit, a cross report.

    python -m services.bench.quant_use --cache FOLDER

prints one JSON object.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from quant.crossing import cross
from quant.edits import EditWeights
from quant.engine import Engine
from quant.operations import Weighted
from quant.precision import Mode
from quant.stepping import Stepper
from quant.variant import Variant
from services.bench.quant_subject import Subject, prepare

EDITED_WEIGHTS = 4_700_000


def interaction(cache: Path) -> dict[str, float]:
    """Step yolov3 at 416x416 in int8 to its end, jump back and forth, edit its largest layer, cross it whole."""
    subject = prepare("yolov3", cache=cache)
    engine = subject.engine(Mode.INT8)
    variant = Variant(engine.graph, engine.plan, engine.calibration)
    stepper = Stepper(variant, subject.x)
    kernels_ms = _kernel_ms(subject, engine)
    steps_ms = []
    while not stepper.finished:
        start = time.perf_counter()
        visit = stepper.next()
        steps_ms.append(1e3 * (time.perf_counter() - start) - kernels_ms[visit.layer])
    jumps_ms = [_timed_ms(lambda name=name: stepper.jump(name)) for name in stepper.layers[-2::-5]]
    edited = next(
        layer
        for layer in engine.graph.layers
        if isinstance(layer.operation, Weighted) and layer.operation.weight.numel() > EDITED_WEIGHTS
    )
    operation = edited.operation
    assert isinstance(operation, Weighted)
    stepper.jump(edited.name)
    edits_ms = []
    for factor in (1.01, 0.99, 1.02):
        changed = operation.weight * factor
        start = time.perf_counter()
        stepper.edit(EditWeights(edited.name, changed))
        stepper.jump(edited.name)
        stepper.compare(edited.name)
        edits_ms.append(1e3 * (time.perf_counter() - start))
        stepper.undo()
    in_float = subject.engine(Mode.FLOAT)
    start = time.perf_counter()
    rows = list(cross(in_float, engine, subject.x))
    cross_s = time.perf_counter() - start
    assert len(rows) == len(engine.graph.layers)
    return {
        "step_ms": median(steps_ms),
        "step_ms.max": max(steps_ms),
        "jump_ms": median(jumps_ms),
        "jump_ms.max": max(jumps_ms),
        "edit_ms": median(edits_ms),
        "edit_ms.max": max(edits_ms),
        "cross_s": cross_s,
    }


def _kernel_ms(subject: Subject, engine: Engine) -> dict[str, float]:
    """The kernels' own times, best of three runs: what a step costs is what comes on top."""
    best: dict[str, float] = {}
    for _ in range(3):
        start = time.perf_counter()
        for prepared, _ in engine.values(subject.x):
            now = time.perf_counter()
            best[prepared.name] = min(best.get(prepared.name, float("inf")), 1e3 * (now - start))
            start = time.perf_counter()
    return best


def _timed_ms(act: object) -> float:
    assert callable(act)
    start = time.perf_counter()
    act()
    return 1e3 * (time.perf_counter() - start)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    print(json.dumps(interaction(given.cache)))


if __name__ == "__main__":
    main(sys.argv[1:])
