"""Which of a model's five modes are right. Run as a process of its own: the oracles are C libraries.

    python -m services.bench.quant_correctness NAME

prints one JSON object.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from quant.affine import Value, as_float
from quant.crossing import cross, four_outputs
from quant.engine import Engine
from quant.graph import INPUT
from quant.operations import Yolo
from quant.precision import Mode, Precision
from quant.reference import Comparison, compare
from quant.stepping import Stepper
from quant.variant import Variant
from services.bench import libdarknet
from services.bench.quant_subject import DARKNET, Subject, prepare
from services.zoo.catalog import default_catalog
from services.zoo.compile import load_module
from services.zoo.darknet import networks
from services.zoo.darknet.cfg import parse_cfg, write_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.weights import write_weights

ORACLE_SIZE = 160
"""Pixels of Darknet's input where outputs are compared: its program takes minutes at full size."""
FLOAT_ERROR = 1e-3


def correctness(name: str) -> dict[str, float]:
    """Check the five modes of a model; a mode that is right counts 1.

    Returns:
        matrix.MODE, wrong_accumulators, float_error (relative to the largest output), own_sqnr_db of the layers, over
            all unseen pictures together and of the first alone.
    """
    subject = prepare(name, ORACLE_SIZE)
    figures: dict[str, float] = {"float_error": float_error(name, subject)}
    figures["matrix.float"] = figures["float_error"] <= FLOAT_ERROR
    wrong = 0
    for mode in (Mode.HYBRID, Mode.INT8):
        compared = list(against_reference(subject.engine(mode), subject.x))
        wrong += sum(each.wrong_accumulators for each in compared)
        figures[f"matrix.{mode}"] = bool(compared) and not any(
            each.wrong_accumulators or each.wrong_codes for each in compared
        )
    figures["wrong_accumulators"] = wrong
    figures["matrix.step"] = steps_equal_running(subject)
    engines = subject.engine(Mode.FLOAT), subject.engine(Mode.INT8)
    figures["matrix.cross"] = crosses_equal_running(*engines, subject.x)
    for key, x in (("own_sqnr_db", torch.cat(subject.unseen)), ("own_sqnr_db.one_picture", subject.x)):
        own = [row.own_db for row in cross(*engines, x) if row.precision != Precision.FLOAT]
        figures |= {f"{key}.median": float(np.median(own)), f"{key}.min": min(own)}
    return {key: float(value) for key, value in figures.items()}


def float_error(name: str, subject: Subject) -> float:
    """Compare the engine in float with who did not write it: libdarknet, OpenCV for yolov4-tiny, torch's own module.

    Returns:
        largest difference of any output over that output's largest value; NaN where the oracle is not installed.
    """
    found = subject.engine(Mode.FLOAT).run(subject.x)
    if name not in DARKNET:
        declared = default_catalog(os.environ).model(name).model_copy(update={"weights": "random://0"})
        with torch.inference_mode():
            return _relative(next(iter(found.values())), load_module(declared)(subject.x))
    with TemporaryDirectory() as folder:
        cfg, weights = Path(folder) / "model.cfg", Path(folder) / "model.weights"
        cfg.write_text(write_cfg(networks.describe(name, size=ORACLE_SIZE)))
        network = read_network(parse_cfg(cfg.read_text()))
        with weights.open("wb") as stream:
            write_weights(stream, network, random_weights(network, 0))
        expected = _opencv(cfg, weights, subject) if name == "yolov4-tiny" else _libdarknet(cfg, weights, subject)
    if not expected:
        return math.nan
    return float(np.max([_relative(*pair) for pair in zip(found.values(), expected, strict=True)]))


def _libdarknet(cfg: Path, weights: Path, subject: Subject) -> list[Tensor]:
    """The outputs of its layers that are the graph's: of the detection layers, or of the last one before softmax."""
    if not libdarknet.available():
        return []
    with libdarknet.loaded(cfg, weights) as darknet:
        outputs = darknet.outputs(subject.x[0].numpy())
    kinds = [section.name for section in parse_cfg(cfg.read_text())[1:]]
    heads = [k for k, kind in enumerate(kinds) if kind in ("yolo", "region", "softmax")]
    return [torch.from_numpy(outputs[k]) for k in heads]


def _opencv(cfg: Path, weights: Path, subject: Subject) -> list[Tensor]:
    """What enters each detection layer, by OpenCV; its own heads are laid out differently."""
    import cv2

    network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    network.setInput(subject.x.numpy())
    graph = subject.model.graph
    kinds = [section.name for section in parse_cfg(cfg.read_text())[1:]]
    before = [k - 1 for k, kind in enumerate(kinds) if kind == "yolo"]
    raw = [torch.from_numpy(network.forward(f"conv_{k}")) for k in before]
    heads = [head for name in graph.outputs if isinstance(head := graph.layer(name).operation, Yolo)]
    return [head.run(each) for head, each in zip(heads, raw, strict=True)]


def _relative(found: Tensor, expected: Tensor) -> float:
    expected = expected.reshape(found.shape)
    return float((found - expected).abs().max() / expected.abs().max())


def against_reference(engine: Engine, x: Tensor) -> Iterator[Comparison]:
    """Hold every integer layer, on the values it really gets, against its 64-bit definition."""
    with torch.inference_mode():
        values: dict[str, Value] = {INPUT: engine.enter(x)}
        for prepared in engine.layers:
            inputs = [values[source] for source in prepared.layer.inputs]
            if prepared.precision is not Precision.FLOAT:
                yield compare(prepared, *inputs)
            values[prepared.name] = prepared.run(*inputs)


def steps_equal_running(subject: Subject) -> bool:
    """Step to the end and compare with a plain run: not a single bit may differ."""
    engine = subject.engine(Mode.INT8)
    stepper = Stepper(Variant(engine.graph, engine.plan, engine.calibration), subject.x)
    while not stepper.finished:
        stepper.next()
    # twice: an engine may run otherwise once it knows its input's shape
    runs = [engine.run(subject.x) for _ in range(2)]
    return all(torch.equal(as_float(stepper.value(name)), output) for run in runs for name, output in run.items())


def crosses_equal_running(in_float: Engine, in_int8: Engine, x: Tensor) -> bool:
    """Hold the four outputs of every layer against both engines' own values, and layers run on the other's."""
    floats, integers = ({p.name: value for p, value in engine.values(x)} for engine in (in_float, in_int8))
    floats[INPUT], integers[INPUT] = in_float.enter(x), in_int8.enter(x)
    crossed = []
    for four in four_outputs(in_float, in_int8, x):
        prepared = in_float.layer(four.layer), in_int8.layer(four.layer)
        sources = prepared[0].layer.inputs
        fi = prepared[1].run(*(floats[name] for name in sources))
        if_ = prepared[0].run(*(integers[name] for name in sources))
        wanted = (floats[four.layer], fi, if_, integers[four.layer])
        found = (four.ff, four.fi, four.if_, four.ii)
        if not all(torch.equal(a, as_float(b)) for a, b in zip(found, wanted, strict=True)):
            return False
        crossed.append(four.layer)
    return crossed == [layer.name for layer in in_float.graph.layers]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(json.dumps(correctness(given.name)))


if __name__ == "__main__":
    main(sys.argv[1:])
