"""How the exported program of a model compares with the engine: codes, layer by layer, and answers.

    python -m services.bench.quant_onnx NAME --cache FOLDER

prints one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from quant.precision import Mode
from services.bench.quant_subject import Subject, prepare
from services.edge.progress import Progress
from services.workbench.findings import agreement
from services.workbench.judging import DETECTION_THRESHOLD
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.program import onnx_program
from services.zoo.onnx_form.runs import RUNS

PICTURES = 8


def compare(subject: Subject, progress: Progress) -> dict[str, float]:
    """Of the runtimes the largest code error and the least agreement of answers, and each one's own."""
    engine, graph = subject.engine(Mode.INT8), subject.model.graph
    watched = tuple(layer.name for layer in graph.layers)
    inputs = subject.unseen[:PICTURES]
    ours = [engine.run(x) for x in inputs]
    figures: dict[str, float] = {}
    for name, run in RUNS.items():
        progress(f"{subject.model.name}: codes and answers of {name}")
        errors = compare_codes(engine, subject.x, run(onnx_program(engine, "bench", watched), subject.x.numpy()))
        together = run(onnx_program(engine, "bench"), torch.cat(inputs).numpy())
        theirs = [
            {output: torch.from_numpy(together[output][number : number + 1]) for output in graph.outputs}
            for number in range(len(inputs))
        ]
        figures |= {
            f"onnx.code_error.{name}": errors.largest,
            f"onnx.codes_differing.{name}": errors.differing / errors.codes,
            f"onnx.answers.{name}": agreement(subject.model, ours, theirs, DETECTION_THRESHOLD).fraction,
        }
    return figures


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    progress = partial(print, file=sys.stderr, flush=True)
    print(json.dumps(compare(prepare(given.name, cache=given.cache), progress)))


if __name__ == "__main__":
    main(sys.argv[1:])
