"""The figures of using the workbench: a step, a jump, an edit, a cross report; and what int8 does to trained models.

    python -m services.bench.quant_use --pictures FOLDER

prints one JSON object.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from quant.calibration import calibrate
from quant.crossing import cross
from quant.engine import Engine
from quant.observations import observe
from quant.operations import Weighted
from quant.precision import Mode, uniform_plan
from quant.stepping import Stepper
from quant.weight_edits import EditWeights, Variant
from services.bench.quant_subject import Subject, prepare
from services.workbench.opening import open_model
from services.workbench.pictures import as_input, find_pictures, read_picture
from services.zoo.catalog import Catalog

ROOT = Path(__file__).resolve().parents[2]
FASHION = ("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile")
EDITED_WEIGHTS = 4_700_000
_BATCH = 250


def interaction() -> dict[str, float]:
    """Step yolov3 at 416x416 in int8 to its end, jump back and forth, edit its largest layer, cross it whole."""
    subject = prepare("yolov3")
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


def map_drop(pictures: int) -> dict[str, float]:
    """mAP at IoU 0.5 of the example detector on held-out scenes, float less int8, in points."""
    command = [sys.executable, "-m", "examples.detector.evaluate", "--pictures", str(pictures)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)["average_precision"]
    in_float, in_int8 = (100 * found[mode]["map"] for mode in ("float", "int8"))
    return {"map_drop": in_float - in_int8, "map.float": in_float, "map.int8": in_int8}


def top1_drop(folder: Path) -> dict[str, float]:
    """Top-1 accuracy of the trained classifiers on a folder per class: float less int8, in points, of the worst."""
    catalog = Catalog([ROOT / "examples" / "fashion" / "models"])
    figures: dict[str, float] = {}
    for name in FASHION:
        model = open_model(name, catalog)
        paths = find_pictures([folder / label for label in model.labels])
        truth = torch.tensor([model.labels.index(path.parent.name) for path in paths])
        inputs = torch.cat([as_input(model, read_picture(path)) for path in paths])
        # Calibrated on every hundredth picture: labels play no part in it.
        calibration = calibrate(model.graph.layers, observe(model.graph, torch.split(inputs[::100], 1))).calibration
        for mode in (Mode.FLOAT, Mode.INT8):
            engine = Engine(model.graph, uniform_plan(model.graph, mode), calibration)
            answers = torch.cat(
                [next(iter(engine.run(batch).values())).argmax(1) for batch in torch.split(inputs, _BATCH)]
            )
            figures[f"top1.{mode}.{name}"] = 100 * float((answers == truth).float().mean())
    drops = [figures[f"top1.float.{name}"] - figures[f"top1.int8.{name}"] for name in FASHION]
    return {"top1_drop": max(drops), **figures}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--scenes", type=int, default=500)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    figures = interaction() | map_drop(given.scenes)
    if given.pictures:
        figures |= top1_drop(given.pictures)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
