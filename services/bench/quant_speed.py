"""How fast a model is in every mode, beside its peers. Run as a process of its own: the peers set threads too.

    python -m services.bench.quant_speed NAME --cache FOLDER

prints one JSON object. What is slow to make (scales, the peers' quantised networks) is kept in the folder.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from quant.precision import Mode, Precision
from services.bench.quant_peers import Run, eager, peers
from services.bench.quant_subject import Subject, prepare, with_auto
from services.bench.rounds import Spread, interleave, ratio, with_spread
from services.edge.progress import Progress
from services.workbench.findings import agreement
from services.workbench.judging import DETECTION_THRESHOLD
from services.workbench.margins import points_lost
from services.zoo.pretrained import KNOWN

BLOCK_S = 0.3
BLOCK_RUNS = 3
"""A subject runs at least so long and so often before the next one's turn: each evicts the others' caches."""
POINTS_LOST = 1.0
LEAST_SHARE = 0.98


def speed(subject: Subject, cache: Path, rounds: int, progress: Progress) -> dict[str, float]:
    """Time a model in every mode and in the peers, one thread, batch 1, interleaved; ms.

    Returns:
        ms.SUBJECT, speedup, vs_PEER, each with .low and .high of the rounds; and what `auto` did.
    """
    name = subject.model.name
    progress(f"{name}: choosing auto's plan")
    subject, front = with_auto(subject)
    progress(f"{name}: auto takes {front.choice.chosen}: {front.choice.reason}")
    engines = {mode.value: subject.engine(mode) for mode in Mode}
    runs: dict[str, Run] = {"torch": eager(subject)}
    runs |= {mode: lambda engine=engine: engine.run(subject.x) for mode, engine in engines.items()}  # type: ignore[misc]
    runs |= peers(subject, cache, progress)
    progress(f"{name}: timing {', '.join(runs)}")
    spreads = interleave({key: block(run) for key, run in runs.items()}, rounds)
    faster = min("torch", "float", key=lambda key: spreads[key].median)
    figures = {f"ms.{key}": spread for key, spread in spreads.items()}
    figures["speedup"] = ratio(spreads[faster], spreads["int8"])
    figures |= {
        f"vs_{peer}": ratio(spreads["int8"], spreads[peer]) for peer in ("onnxruntime", "openvino") if peer in spreads
    }
    return (
        _with_ends(figures)
        | auto_figures(subject, spreads)
        | {"auto.float_layers": _float_layers(subject), "auto.transitions": front.choice.transitions}
    )


def speed_figures(spreads: Mapping[str, Spread], int8_lost: float) -> dict[str, float]:
    """Hold the speed of `auto` against the plain modes.

    Args:
        spreads: milliseconds of every mode.
        int8_lost: points that int8 loses.
    Returns:
        auto.over_float: float's time over auto's; auto.speedup_share: that of the faster of int8 and hybrid, where int8
        keeps the answers.
    """
    figures = {"auto.over_float": ratio(spreads["float"], spreads["auto"]).median}
    if int8_lost < POINTS_LOST:
        faster = min(("int8", "hybrid"), key=lambda key: spreads[key].median)
        figures["auto.speedup_share"] = ratio(spreads[faster], spreads["auto"]).median
    return figures


def _float_layers(subject: Subject) -> int:
    """How many layers `auto` keeps in float that int8 does not."""
    in_int8 = subject.engine(Mode.INT8).plan
    return sum(
        precision is Precision.FLOAT and in_int8[name] is not Precision.FLOAT
        for name, precision in subject.integers.auto_plan.items()
    )


def auto_figures(subject: Subject, spreads: dict[str, Spread]) -> dict[str, float]:
    """Hold `auto` against the better of float and int8, the latter where it keeps the answers.

    Returns:
        agreement.MODE with float in percent on the pictures auto was chosen by, agreement.MODE.unseen on others;
        points_lost.MODE: what it loses of float's answers there, by their margins (services/workbench/margins.py);
        auto.share: the better one's time over auto's; auto.regression: 1 where that is under 0.98, or where auto
        loses a point on the pictures it was chosen by.
    """
    figures = {
        f"agreement.{mode}{place}": percent
        for place, inputs in (("", subject.seen), (".unseen", subject.unseen))
        for mode, percent in _agreements(subject, inputs).items()
    }
    figures |= {f"points_lost.{mode}": points for mode, points in _points_lost(subject).items()}
    loses = {mode: figures[f"points_lost.{mode}"] >= POINTS_LOST for mode in (Mode.INT8, Mode.AUTO)}
    better = "float" if loses[Mode.INT8] else min("float", "int8", key=lambda key: spreads[key].median)
    share = ratio(spreads[better], spreads["auto"]).median
    # Of a model that others trained, the part `pretrained` has these figures.
    trained = subject.model.name in KNOWN
    speeds = {} if trained else speed_figures(spreads, figures[f"points_lost.{Mode.INT8}"])
    return figures | speeds | {"auto.share": share, "auto.regression": float(share < LEAST_SHARE or loses[Mode.AUTO])}


def _agreements(subject: Subject, inputs: Sequence[Tensor]) -> dict[Mode, float]:
    def answers(mode: Mode) -> list[dict[str, Tensor]]:
        engine = subject.engine(mode)
        return [engine.run(x) for x in inputs]

    wanted = answers(Mode.FLOAT)
    return {
        mode: 100 * agreement(subject.model, wanted, answers(mode), DETECTION_THRESHOLD).fraction
        for mode in (Mode.INT8, Mode.AUTO)
    }


def _points_lost(subject: Subject) -> dict[Mode, float]:
    engines = {mode: subject.engine(mode) for mode in (Mode.FLOAT, Mode.INT8, Mode.AUTO)}
    answers = {mode: [engine.run(x) for x in subject.seen] for mode, engine in engines.items()}
    return {
        mode: points_lost(subject.model, answers[Mode.FLOAT], answers[mode], DETECTION_THRESHOLD)
        for mode in (Mode.INT8, Mode.AUTO)
    }


def block(run: Run) -> Callable[[], float]:
    """Milliseconds, the best of enough runs to fill a block, after one that warms the caches again."""

    def timed() -> float:
        run()
        best, spent, count = math.inf, 0.0, 0
        while count < BLOCK_RUNS or spent < BLOCK_S:
            start = time.perf_counter()
            run()
            took = time.perf_counter() - start
            best, spent, count = min(best, took), spent + took, count + 1
        return 1e3 * best

    return timed


def _with_ends(spreads: dict[str, Spread]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for key, spread in spreads.items():
        figures |= with_spread(key, spread)
    return figures


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--build", action="store_true", help="only make what is kept in the cache")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    given.cache.mkdir(parents=True, exist_ok=True)
    progress = partial(print, file=sys.stderr, flush=True)
    progress(f"{given.name}: opening, and calibrating the first time")
    subject = prepare(given.name, cache=given.cache)
    if given.build:
        peers(subject, given.cache, progress)
        figures: dict[str, float] = {}
    else:
        figures = speed(subject, given.cache, given.rounds, progress)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
