"""How far the time that `strata quant run` prints is from the model's own: the median of fifty runs.

    python -m services.bench.quant_run --cache FOLDER

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
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from quant.engine import Engine
from quant.precision import Mode
from services.bench.quant_subject import ROOT, YOLO_SIZE, Subject, prepare, with_auto
from services.workbench.files import write_integers
from services.workbench.picture_files import read_picture
from services.workbench.pictures import as_input

MODEL = "yolov3-tiny"
PICTURE = ROOT / "examples" / "detector" / "pictures" / "shapes-11.jpg"
RUNS, WARM_RUNS = 50, 3


def run_errors(cache: Path) -> dict[str, float]:
    """Of each mode, what is printed over the median; `run_error` is the largest distance from 1."""
    subject, _ = with_auto(prepare(MODEL, cache=cache))
    x = as_input(subject.model, read_picture(PICTURE))
    with TemporaryDirectory() as folder:
        integers = Path(folder) / f"{MODEL}.integers"
        write_integers(integers, subject.model, subject.integers)
        shares = {mode: _share(subject, mode, integers, x) for mode in Mode}
    figures = {f"run_share.{mode}": share for mode, share in shares.items()}
    return {"run_error": max(abs(share - 1) for share in shares.values()), **figures}


def _share(subject: Subject, mode: Mode, integers: Path, x: Tensor) -> float:
    """Measured before and after the command, so that a machine that changes its pace counts for both."""
    engine = subject.engine(mode)
    before_ms = _median_ms(engine, x)
    return printed_ms(mode, integers) / median([before_ms, _median_ms(engine, x)])


def printed_ms(mode: Mode, integers: Path) -> float:
    """What the command says."""
    command = [sys.executable, "-m", "services.cli", "quant", "run", MODEL, str(PICTURE), "--mode", mode.value]
    command += ["--weights", "random://0", "--size", str(YOLO_SIZE), "--integers", str(integers), "--threads", "1"]
    with TemporaryDirectory() as folder:
        command += ["--output", f"{folder}/boxes.png", "--json"]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    latency_ms: float = json.loads(done.stdout)["latency_ms"]
    return latency_ms


def _median_ms(engine: Engine, x: Tensor) -> float:
    for _ in range(WARM_RUNS):
        engine.run(x)
    times_ms = []
    for _ in range(RUNS):
        started = time.perf_counter()
        engine.run(x)
        times_ms.append(1e3 * (time.perf_counter() - started))
    return median(times_ms)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    print(json.dumps(run_errors(given.cache)))


if __name__ == "__main__":
    main(sys.argv[1:])
