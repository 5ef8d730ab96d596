"""A whole model in the cache; compiled where it is not there. Without torch where it is there."""

from pathlib import Path

from services.edge.progress import Progress, no_progress
from services.zoo.compiled import digest_of, made_once
from services.zoo.model_file import ModelFile
from services.zoo.weight_references import fetch_weights


def compile_model(model_file: ModelFile, cache: Path, runtime: str = "auto", report: Progress = no_progress) -> Path:
    """Compile a model, or find it compiled, and return its folder.

    Args:
        runtime: `auto` times each runtime on one thread, batch 1, and keeps the fastest; a runtime that starts
            slower has a handicap.
        report: called with each step that takes longer than a moment.
    Raises:
        InvalidDeclaration, InvalidWeights, ArtifactNotFound, Unavailable: the file or its weights are at fault.
        Unsupported: a runtime cannot run this model, or its scores differ from torch's (of an ONNX program, from the
            first runtime's) by more than rounding explains (`services.zoo.agreement`), or are not the picture's own; in
            integers, its codes are not the engine's.
        what `declared_engine` raises.
    """
    weights = fetch_weights(model_file.weights, model_file.folder)
    digest = digest_of(model_file, weights, runtime)

    def make(made: Path) -> None:
        from services.zoo.compile import compile_into

        compile_into(made, model_file, weights, digest, runtime, report)

    return made_once(cache / f"{model_file.name}-{digest}", make)
