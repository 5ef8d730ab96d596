"""The words of `strata quant import`: which model they name."""

from dataclasses import replace
from pathlib import Path

from quant.equalisation import equalise
from services.cli.quant_begin import open_with_notice, out, tell_of_random_weights
from services.cli.quant_sessions import open_there
from services.edge.errors import InvalidInput
from services.workbench.engine_model import EngineModel
from services.workbench.opening import import_darknet, import_program, open_declared
from services.zoo.model_file import read_model_file


def open_source(
    at: str | None, source: str, darknet_weights: Path | None, weights: str | None, size: int | None
) -> EngineModel:
    """Open a Darknet cfg with its weights, an ONNX program, or a model by its file or its name.

    Raises:
        InvalidInput: arguments and options that do not go together.
        what `open_model`, `open_declared`, `import_darknet` and `import_program` raise.
    """
    suffix = Path(source).suffix
    if at is not None and suffix in (".onnx", ".yaml", ".yml", ".cfg"):
        raise InvalidInput(f"{source} is read on this machine: leave out --at")
    if suffix == ".onnx":
        if darknet_weights or weights or size:
            raise InvalidInput(f"{source} brings its own weights and size: give neither")
        return import_program(Path(source))
    if suffix in (".yaml", ".yml"):
        if darknet_weights or size:
            raise InvalidInput(f"{source} says the size itself, and other weights are --weights file://PATH")
        return _declared(Path(source), weights)
    if suffix != ".cfg":
        if darknet_weights is not None and darknet_weights.suffix == ".cfg":
            raise InvalidInput(f"the cfg comes first: strata quant import {darknet_weights} {source}")
        if darknet_weights is not None:
            raise InvalidInput(
                f"{darknet_weights} goes with a .cfg; for the model {source!r} it is --weights file://{darknet_weights}"
            )
        return _named(at, source, weights, size)
    if darknet_weights is None:
        raise InvalidInput(f"{source} needs its weights: strata quant import {source} FILE.weights")
    if weights or size:
        raise InvalidInput(f"{source} brings its own size, and {darknet_weights} is its weights; no --weights, --size")
    return import_darknet(Path(source), darknet_weights)


def equalised_with_notice(model: EngineModel) -> EngineModel:
    """The model with its channels evened out between its layers; a line for each that was, or was left alone."""
    found = equalise(model.graph)
    out.print(f"equalised: {len(found.scaled)} of {len(found.scaled) + len(found.left)} layers")
    for name, readers in found.scaled.items():
        out.print(f"  {name}: scaled back in {', '.join(readers)}")
    for name, reason in found.left.items():
        out.print(f"  {name}: left alone, {reason}")
    return replace(model, graph=found.graph)


def _declared(path: Path, weights: str | None) -> EngineModel:
    model = open_declared(read_model_file(path), weights)
    tell_of_random_weights(model)
    return model


def _named(at: str | None, name: str, weights: str | None, size: int | None) -> EngineModel:
    if at is None:
        return open_with_notice(name, weights, size)
    with open_there(at, name, weights, size) as session:
        return session.keep(session.model.name)[0]
