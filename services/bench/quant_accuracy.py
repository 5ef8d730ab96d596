"""What int8 does to the answers of trained models, the examples.

    python -m services.bench.quant_accuracy --pictures FOLDER

prints one JSON object.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from quant.calibration import calibrate
from quant.engine import Engine
from quant.observations import observe
from quant.precision import Mode, uniform_plan
from services.workbench.opening import open_model
from services.workbench.picture_files import read_picture
from services.workbench.pictures import as_input
from services.zoo.catalog import Catalog
from services.zoo.picture_files import find_pictures

ROOT = Path(__file__).resolve().parents[2]
FASHION = ("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile")
_BATCH = 250


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
    parser.add_argument("--pictures", type=Path, help="a folder per class; without it, no top-1")
    parser.add_argument("--scenes", type=int, default=500)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    figures = map_drop(given.scenes)
    if given.pictures:
        figures |= top1_drop(given.pictures)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
