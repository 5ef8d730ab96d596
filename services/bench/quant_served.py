"""A model served in integers beside the int8 of other engines, and its start beside the float service's.

    python -m services.bench.quant_served NAME --cache FOLDER

prints one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from services.bench.local_figures import started
from services.bench.quant_peers import Run, more_peers, peers
from services.bench.quant_speed import block
from services.bench.quant_subject import YOLO_SIZE, Subject, prepare
from services.bench.rounds import interleave, ratio
from services.edge.progress import Progress
from services.workbench.files import write_integers
from services.zoo.catalog import default_catalog
from services.zoo.darknet.networks import NAMES
from services.zoo.manifest import Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile, with_weights
from services.zoo.serving import load_forward

STARTS = 5


def served(subject: Subject, cache: Path, rounds: int, progress: Progress) -> dict[str, float]:
    """The service's forward pass over OpenVINO's with NNCF, and over the fastest peer's; its start over float's.

    Returns:
        ms.SUBJECT of the service and each peer; served.vs_openvino, vs_best, served.start_s, served.cold_start.
    """
    name = subject.model.name
    folders = both_precisions(subject, cache, progress)
    forward = load_forward(Manifest.read(folders["int8"]).runtime, folders["int8"], 1)
    x = subject.x.numpy()
    others = peers(subject, cache, progress) | more_peers(subject, cache, progress)
    runs: dict[str, Run] = {"served": lambda: forward(x), **others}
    spreads = interleave({key: block(run) for key, run in runs.items()}, rounds)
    starts = interleave({key: partial(_start_s, folder) for key, folder in folders.items()}, STARTS)
    figures = {f"ms.served{_after(key)}": spread.median for key, spread in spreads.items()}
    figures["served.start_s"] = starts["int8"].median
    if "openvino" in spreads:
        figures["served.vs_openvino"] = ratio(spreads["served"], spreads["openvino"]).median
    if others:
        best = min(others, key=lambda key: spreads[key].median)
        progress(f"{name}: the fastest peer is {best}")
        figures["vs_best"] = ratio(spreads["served"], spreads[best]).median
    return figures | {"served.cold_start": ratio(starts["int8"], starts["float"]).median}


def both_precisions(subject: Subject, cache: Path, progress: Progress) -> dict[str, Path]:
    """Compile a subject in `float` and, with its integers, in `int8`, each for its fastest runtime."""
    name = subject.model.name
    write_integers(cache / f"{name}.integers", subject.model, subject.integers)
    in_float = _declared(name)
    in_int8 = ModelFile.model_validate(
        {**in_float.model_dump(), "precision": "int8", "integers": str(cache.absolute() / f"{name}.integers")}
    )
    return {key: compile_model(each, cache, report=progress) for key, each in (("float", in_float), ("int8", in_int8))}


def _declared(name: str) -> ModelFile:
    """The float model with random weights; Darknet's networks are declared here."""
    if name not in NAMES:
        return with_weights(default_catalog(os.environ).model(name), "random://0")
    network = {"name": name, "architecture": name, "weights": "random://0", "folder": Path()}
    return ModelFile.model_validate({**network, "input": {"size": (YOLO_SIZE, YOLO_SIZE), "fit": "letterbox"}})


def _after(subject: str) -> str:
    return "" if subject == "served" else f".{subject}"


def _start_s(folder: Path) -> float:
    begun = time.perf_counter()
    with started(folder):
        return time.perf_counter() - begun


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    progress = partial(print, file=sys.stderr, flush=True)
    print(json.dumps(served(prepare(given.name, cache=given.cache), given.cache, given.rounds, progress)))


if __name__ == "__main__":
    main(sys.argv[1:])
