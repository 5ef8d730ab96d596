"""Measure the trained models, every subset of them and their ensemble on the 10 000 held-out pictures, in torch.

    python -m examples.fashion.evaluate

Writes `accuracy.json`, as `strata ensemble evaluate` does, which asks the served models instead.
"""

import argparse
from pathlib import Path

from examples.fashion.dataset import FOLDER, Pictures, read_held_out
from examples.fashion.train import HERE, model_files, predict
from services.ensemble.accuracy import AccuracyFile
from services.ensemble.accuracy_file import write_accuracy
from services.ensemble.ensemble_file import read_ensemble_file
from services.ensemble.tally import Tally
from services.zoo.compile import load_module


def evaluate(pictures: Pictures) -> AccuracyFile:
    """Ask each member of the ensemble for all pictures once, and combine their scores in every way."""
    ensemble = read_ensemble_file(HERE / "ensemble.yaml").ensemble()
    files = model_files()
    scores = {
        model: predict(load_module(files[model]), pictures.grey, files[model].input.spec()).numpy()
        for model in ensemble.models
    }
    tally = Tally(ensemble)
    tally.add(scores, pictures.classes.tolist())
    return tally.file()


def describe(accuracy: AccuracyFile) -> str:
    """Return the lines of the model card that state accuracies."""
    rows = [
        f"| {' + '.join(row.models)} | {row.value:.4f} | {row.low:.4f} to {row.high:.4f} |" for row in accuracy.subsets
    ]
    gain = accuracy.gain
    return "\n".join(
        [
            "| model or ensemble | accuracy | 95 % interval |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"Gain of the whole ensemble over {gain.over}: {gain.value:+.4f}, 95 % interval of the paired difference "
            f"{gain.low:+.4f} to {gain.high:+.4f}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the example ensemble on the held-out pictures.")
    parser.add_argument("--data", type=Path, default=FOLDER)
    accuracy = evaluate(read_held_out(parser.parse_args().data))
    write_accuracy(HERE / "accuracy.json", accuracy)
    print(describe(accuracy))


if __name__ == "__main__":
    main()
