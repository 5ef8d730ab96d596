"""What the pipeline's figures are measured on: models, how they are cut, how much effort."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from services.edge.progress import Progress
from services.zoo.cache_folder import default_cache
from services.zoo.catalog import default_catalog
from services.zoo.model_file import ModelFile, with_weights
from services.zoo.stage_compile import Cutting, compile_stages

Figures: TypeAlias = dict[str, float]

PAPERS = "alexnet-3c4f"
"""The network of papers/001, cut as there: Conv_1, Conv_2, Conv_3, FC."""
RUNTIME = "onnxruntime"
"""For stages and whole alike, so that they differ by the cuts alone."""


@dataclass(frozen=True)
class PipelineSubject:
    """Where to measure, and how much; `quick` is for trying the benchmark itself."""

    quick: bool
    scratch: Path
    progress: Progress

    def model(self, name: str) -> ModelFile:
        """A built-in model with random weights."""
        return with_weights(default_catalog(os.environ).model(name), "random://0")

    def stages(self, name: str, runtime: str = RUNTIME) -> list[Path]:
        """Its compiled stages: as its file declares them, else four that cost alike."""
        model_file = self.model(name)
        return self._compiled(model_file, declared_cutting(model_file), runtime)

    def whole(self, name: str, runtime: str = RUNTIME) -> list[Path]:
        """The whole model as one stage."""
        return self._compiled(self.model(name), Cutting(stages=1), runtime)

    def _compiled(self, model_file: ModelFile, cutting: Cutting, runtime: str) -> list[Path]:
        return compile_stages(model_file, cutting, default_cache(os.environ), runtime, self.progress)


def declared_cutting(model_file: ModelFile) -> Cutting:
    """The cuts that a model file declares, else four stages that cost alike."""
    if not model_file.stages:
        return Cutting()
    layers = tuple(layer for layer in model_file.stages.values() if layer)
    return Cutting(layers=layers, names=tuple(model_file.stages))
