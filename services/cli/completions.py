"""What the shell offers for a word that is being typed. Nothing here imports torch: a press of Tab does not wait."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from services.edge.errors import StrataError

ALGORITHMS = ("best", "kl", "log2-paper", "minmax", "mse", "percentile", "pow2")
MODES = ("float", "hybrid", "int8", "auto")
GRANULARITIES = ("tensor", "channel")
EXPORT_FORMS = ("strata", "onnx", "openvino")
CHAIN_RUNTIMES = ("auto", "torch", "onnxruntime", "openvino")
EXECUTORS = ("embedded", "ray")
ENCODINGS = ("float32", "float16", "int8")
ENSEMBLE_MODES = ("parallel", "serial")
DIMENSIONS = ("user", "model", "hour")

Completion = Callable[[str], list[str]]


def one_of_words(words: tuple[str, ...]) -> Completion:
    """Offer these."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def declared_model(incomplete: str) -> list[str]:
    """Offer the names that `strata models` lists of model files."""
    from services.zoo.catalog import default_catalog

    # A fault in a model file is for the command to say, not for a line that is being typed.
    with suppress(StrataError, OSError):
        return [name for name in default_catalog(os.environ).names() if name.startswith(incomplete)]
    return []


def trained_model(incomplete: str) -> list[str]:
    """Offer the models that have trained weights to fetch."""
    from services.zoo.pretrained import KNOWN

    return [name for name in KNOWN if name.startswith(incomplete)]


def chain_model(incomplete: str) -> list[str]:
    """Offer what `strata pipeline` takes: models by name, model files and programs."""
    return [*declared_model(incomplete), *_files_here(incomplete, ".yaml", ".pt2")]


def engine_model(incomplete: str) -> list[str]:
    """Offer what `strata quant` takes: models by name, Darknet's networks among them, and its own files."""
    from services.zoo.darknet.networks import NAMES

    named = [*declared_model(incomplete), *(name for name in NAMES if name.startswith(incomplete))]
    return [*named, *_files_here(incomplete, ".strata")]


def engine_source(incomplete: str) -> list[str]:
    """Offer what `strata quant import` takes."""
    return [*engine_model(incomplete), *_files_here(incomplete, ".cfg", ".onnx", ".yaml")]


def _files_here(incomplete: str, *suffixes: str) -> list[str]:
    """Of the working directory alone; where nothing is offered, the shell itself completes paths."""
    names = sorted(path.name for path in Path().iterdir() if path.suffix in suffixes)
    return [name for name in names if name.startswith(incomplete)]
