"""Measure the trained models, every subset of them and their ensemble on the 10 000 held-out pictures, in torch.

    python -m examples.fashion.evaluate

`strata ensemble evaluate` measures the same through the served models.
"""

import argparse
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.fashion.dataset import FOLDER, Pictures, read_held_out
from examples.fashion.train import HERE, model_files, predict
from services.ensemble.domain import Ensemble
from services.ensemble.ensemble_file import read_ensemble_file
from services.ensemble.intervals import Interval, paired_difference, wilson
from services.ensemble.rules import combine, softmax
from services.zoo.compile import load_module

Right = NDArray[np.bool_]


@dataclass(frozen=True)
class Evaluation:
    """Accuracies on the same pictures, fractions.

    Attributes:
        subsets: by the names of the members.
        best: the single model that is right most often.
        gain: the whole ensemble's accuracy less that of `best`, with its paired 95 % interval.
    """

    subsets: dict[tuple[str, ...], Interval]
    best: str
    gain: Interval


def evaluate(ensemble: Ensemble, pictures: Pictures) -> Evaluation:
    """Ask each member for all pictures once and combine their scores in every way."""
    files = model_files()
    scores = {
        model: predict(load_module(files[model]), pictures.grey, files[model].input.spec()).numpy()
        for model in ensemble.models
    }
    weights = {member.model: member.weight for member in ensemble.members}
    right: dict[tuple[str, ...], Right] = {}
    for size in range(1, len(ensemble.models) + 1):
        for subset in combinations(ensemble.models, size):
            probabilities = np.stack([softmax(scores[model]) for model in subset])
            combined = combine(ensemble.rule, probabilities, [weights[model] for model in subset])
            right[subset] = combined.argmax(1) == pictures.classes.numpy()
    best = max(ensemble.models, key=lambda model: int(right[model,].sum()))
    whole, single = right[ensemble.models], right[best,]
    counts = (whole & single, whole & ~single, ~whole & single, ~whole & ~single)
    return Evaluation(
        {subset: wilson(int(each.sum()), len(each)) for subset, each in right.items()},
        best,
        paired_difference(*(int(each.sum()) for each in counts)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the example ensemble on the held-out pictures.")
    parser.add_argument("--data", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    result = evaluate(read_ensemble_file(HERE / "ensemble.yaml").ensemble(), read_held_out(arguments.data))
    for subset, accuracy in result.subsets.items():
        print(f"{accuracy.value:.4f}  [{accuracy.low:.4f}, {accuracy.high:.4f}]  {' + '.join(subset)}")
    print(f"gain over {result.best}: {result.gain.value:+.4f}  [{result.gain.low:+.4f}, {result.gain.high:+.4f}]")


if __name__ == "__main__":
    main()
