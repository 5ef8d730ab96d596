"""How the exported program of a model compares with the engine: codes, layer by layer, and answers.

    python -m services.bench.quant_onnx NAME --cache FOLDER [--trained]

prints one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quant.engine import Engine
from quant.precision import Mode
from services.bench.quant_subject import Subject, prepare, prepare_trained
from services.edge.progress import Progress
from services.workbench.findings import agreement
from services.workbench.judging import DETECTION_THRESHOLD
from services.workbench.margins import points_lost
from services.zoo.agreement import shaken
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.program import onnx_program
from services.zoo.onnx_form.runs import RUNS

PICTURES = 8
"""That are answered, of a model with random weights; of a trained one all that its integers have not seen."""


def compare(subject: Subject, inputs: Sequence[Tensor], progress: Progress) -> dict[str, float]:
    """Of each runtime the largest code error, the agreement of its answers, and what they lose by margin; and the
    agreement of the engine's own answers where its scales are moved by one rounding.

    Args:
        inputs: what is answered.
    """
    engine, graph = subject.engine(Mode.INT8), subject.model.graph
    watched = tuple(layer.name for layer in graph.layers)
    ours = [engine.run(x) for x in inputs]
    figures: dict[str, float] = {}
    for name, run in RUNS.items():
        progress(f"{subject.model.name}: codes and answers of {name}")
        program = onnx_program(engine, "bench", watched)
        errors = compare_codes(EnginePart(engine), subject.x, run(program, subject.x.numpy()))
        program = onnx_program(engine, "bench")
        theirs = []
        for start in range(0, len(inputs), PICTURES):
            together = torch.cat(list(inputs[start : start + PICTURES]))
            found = run(program, together.numpy())
            theirs += [
                {output: torch.from_numpy(found[output][number : number + 1]) for output in graph.outputs}
                for number in range(len(together))
            ]
        figures |= {
            f"onnx.code_error.{name}": errors.largest,
            f"onnx.codes_differing.{name}": errors.differing / errors.codes,
            f"onnx.answers.{name}": agreement(subject.model, ours, theirs, DETECTION_THRESHOLD).fraction,
            f"onnx.points_lost.{name}": points_lost(subject.model, ours, theirs, DETECTION_THRESHOLD),
        }
    moved = moved_by_a_rounding(subject)
    theirs = [moved.run(x) for x in inputs]
    answers = agreement(subject.model, ours, theirs, DETECTION_THRESHOLD).fraction
    return figures | {"onnx.answers.moved": answers}


def moved_by_a_rounding(subject: Subject) -> Engine:
    """The engine with each scale of its weights moved to a neighbour among the float32 numbers.

    Of what runtimes that round in another order answer differently, this has about as much.
    """
    calibration, random = subject.integers.calibration, np.random.default_rng(0)
    weights = {
        name: replace(each, scale=torch.from_numpy(shaken(each.scale.numpy(), random)))
        for name, each in calibration.weights.items()
    }
    moved = subject.integers._replace(calibration=replace(calibration, weights=weights))
    return replace(subject, integers=moved).engine(Mode.INT8)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--trained", action="store_true", help="its trained weights, and photographs")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    progress = partial(print, file=sys.stderr, flush=True)
    if given.trained:
        subject = prepare_trained(given.name, given.cache, progress)
        inputs = subject.unseen
    else:
        subject = prepare(given.name, cache=given.cache)
        inputs = subject.unseen[:PICTURES]
    print(json.dumps(compare(subject, inputs, progress)))


if __name__ == "__main__":
    main(sys.argv[1:])
