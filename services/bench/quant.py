"""The area `quant`: which figures there are, what they are held to, and how they are told."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias

from services.bench.quant_subject import DARKNET, TORCH
from services.bench.report import Group

Figures: TypeAlias = dict[str, float]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino", "nncf", "opencv-python-headless", "numpy")
MODELS = (*DARKNET, *TORCH)
_FASTEST = {"yolov3-tiny": 5, "yolov2": 5, "yolov3": 5, "resnet-50": 5, "mobilenet-v2": 1.5, "efficientnet-b0": 1.1}
_VNNI = {"yolov3-tiny": 2.5, "yolov2": 3, "yolov3": 3, "resnet-50": 3, "mobilenet-v2": 1.3, "efficientnet-b0": 1.0}
_SLOW_TO_QUANTISE = ("mobilenet-v2", "efficientnet-b0", "nasnet-a-mobile")
MODES = ("float", "hybrid", "int8", "step", "cross")
NOTES = """
One thread, batch 1, random weights; each model's subjects are timed in turns, in a process of the model's own.
`speedup` is int8 over the faster of torch eager (channels last) and our float; `vs_onnxruntime` is our int8 time
over ONNX Runtime's static int8 (QDQ, per channel); `vs_openvino` over OpenVINO's with NNCF. Calibration is the same
eight pictures for all. `matrix` counts, of 14 models times five modes, those that are right: float against its
oracle (Debian's darknet, OpenCV for yolov4-tiny, torchvision's own module), hybrid and int8 against a 64-bit
definition of every layer, stepping against running bit for bit, crossing with four outputs per layer. `map_drop` is
of the example detector, `top1_drop` the worst of the example classifiers, in points.

| paper, table 1 | yolov2 | yolov3 | yolov3-tiny |
| --- | --- | --- | --- |
| normal inference, float and hybrid | yes | yes | yes |
| stepping inference, float and hybrid | yes | yes | yes |
| cross inference | no | no | yes |
| all int8 | no | no | yes |
"""


def bars(isa: str) -> dict[str, str]:
    """What the figures are held to on this instruction set."""
    least = _FASTEST if isa.startswith("AMX") else _VNNI
    peers = {name: "<= 1.3" if name in _SLOW_TO_QUANTISE else "<= 1.0" for name in MODELS}
    return {
        "matrix": ">= 70",
        "wrong_accumulators": "<= 0",
        "darknet_error": "<= 1e-3",
        **{f"speedup.{name}": f">= {limit}" for name, limit in least.items()},
        **{f"vs_onnxruntime.{name}": limit for name, limit in peers.items()},
        **{f"vs_openvino.{name}": "<= 1.5" for name in MODELS},
        "auto.regressions": "<= 0",
        "own_sqnr_db.median": ">= 30",
        "own_sqnr_db.min": ">= 20",
        "map_drop": "<= 1.0",
        "top1_drop": "<= 0.5",
        "step_ms": "<= 5",
        "jump_ms": "<= 50",
        "edit_ms": "<= 150",
        "cross_s": "<= 5",
    }


PLOTS = tuple(
    Group(
        name,
        "ms",
        [f"ms.{key}.{name}" for key in ("torch", "float", "int8", "auto")],
        ["torch", "float", "int8", "auto"],
    )
    for name in ("yolov3-tiny", "resnet-50", "mobilenet-v2", "efficientnet-b0")
)


def measure(
    models: Sequence[str], parts: Sequence[str], rounds: int, pictures: Path | None, tell: Callable[[str], None]
) -> Figures:
    """Measure the parts that are named: `correctness`, `speed` and `use`.

    Raises:
        CalledProcessError: a model's process failed; what it printed is on standard error.
    """
    figures: Figures = {}
    if "correctness" in parts:
        found = {name: _child(tell, "quant_model", name, "--part", "correctness") for name in models}
        figures |= _correctness(found)
    if "speed" in parts:
        for name in models:
            timed = _child(tell, "quant_model", name, "--part", "speed", "--rounds", str(rounds))
            figures |= {_keyed(key, name): value for key, value in timed.items()}
        figures["auto.regressions"] = sum(value for key, value in figures.items() if key.startswith("auto.regression."))
    if "use" in parts:
        figures |= _child(tell, "quant_use", *(("--pictures", str(pictures)) if pictures else ()))
    return figures


def _correctness(found: dict[str, Figures]) -> Figures:
    figures: Figures = {
        "matrix": sum(each[f"matrix.{mode}"] for each in found.values() for mode in MODES),
        "wrong_accumulators": sum(each["wrong_accumulators"] for each in found.values()),
        "own_sqnr_db.median": median(each["own_sqnr_db.median"] for each in found.values()),
        "own_sqnr_db.min": min(each["own_sqnr_db.min"] for each in found.values()),
    }
    if errors := [found[name]["float_error"] for name in DARKNET if name in found]:
        figures["darknet_error"] = max(errors)
    for name, each in found.items():
        figures |= {f"{key}.{name}": value for key, value in each.items()}
    return figures


def _keyed(key: str, model: str) -> str:
    """Put the model's name before a spread's end: `ms.int8.low` of m becomes `ms.int8.m.low`."""
    for end in (".low", ".high"):
        if key.endswith(end):
            return f"{key.removesuffix(end)}.{model}{end}"
    return f"{key}.{model}"


def _child(tell: Callable[[str], None], module: str, *arguments: str) -> Figures:
    tell(" ".join((module, *arguments)))
    command = [sys.executable, "-m", f"services.bench.{module}", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    # Oracles written in C print on the same output; ours is the last line.
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
