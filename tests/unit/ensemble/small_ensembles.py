"""Ensembles of small models that no test runs, and blank pictures of their size."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from services.edge.deadline import Deadline
from services.ensemble.domain import Item
from services.ensemble.loading import load_ensembles
from services.ensemble.preparation import Images
from services.ensemble.served import Served
from services.zoo.manifest import InputSpec


class NeedNoStart:
    """Base of members that run: a predictor finds none of them starting."""

    async def start(self, model: str, deadline: Deadline) -> None:
        pass

    async def wake(self, models: Iterable[str]) -> dict[str, str]:
        return {}

    def starting(self) -> frozenset[str]:
        return frozenset()


def small_ensemble(folder: Path, name: str, models: Sequence[str], settings: str) -> dict[str, Served]:
    """Write an ensemble and its models, and load it; `settings` are the further lines of its file."""
    (folder / "models").mkdir()
    for model in models:
        text = f"name: {model}\narchitecture: alexnet\nweights: random://0\ninput: {{size: [4, 4]}}\n"
        (folder / "models" / f"{model}.yaml").write_text(text)
    members = ", ".join(f"{{model: {model}}}" for model in models)
    file = folder / f"{name}.yaml"
    file.write_text(f"name: {name}\nmembers: [{members}]\n{settings}")
    return load_ensembles([file], {})


def prepare(item: Item, specs: Sequence[InputSpec]) -> Iterator[Images]:
    """A blank picture for each input."""
    for spec in specs:
        yield np.zeros((3, *spec.size), np.float32)
