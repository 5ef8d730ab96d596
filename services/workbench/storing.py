"""What `strata quant` does with files, without a terminal: import, calibrate, export, keep, and find integers again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from quant.calibration import Calibrated, Granularity
from quant.observations import Observations, observe
from quant.plan_choice import Clock, PlanChoice
from quant.precision import Mode
from quant.variant import Variant
from services.edge.errors import FailedPrecondition, InvalidInput
from services.workbench import engine_file, integer_file
from services.workbench.engine_file import encode_model, read_model
from services.workbench.integer_file import encode_integers, read_integers
from services.workbench.integers import Integers
from services.workbench.model import Model
from services.workbench.opening import import_darknet, open_model
from services.workbench.pictures import inputs_of
from services.workbench.tensor_file import check_place, write_files
from services.workbench.usecases import (
    AGREEMENT_PICTURES,
    NO_AUTO,
    Progress,
    calibrate_model,
    choose_auto,
    this_machine,
)
from services.zoo.catalog import Catalog


def import_model(
    reference: str,
    catalog: Catalog,
    darknet_weights: Path | None = None,
    labels: Path | None = None,
    weights: str | None = None,
    size: int | None = None,
) -> Model:
    """Open a Darknet cfg with its weights, or a model by name, and name its classes.

    Raises:
        InvalidInput: options that do not go together; a file of names that is no text, or has another number of them.
        what `open_model` and `import_darknet` raise.
    """
    if not reference.endswith(".cfg"):
        if darknet_weights is not None and darknet_weights.suffix == ".cfg":
            raise InvalidInput(f"the cfg comes first: strata quant import {darknet_weights} {reference}")
        if darknet_weights is not None:
            raise InvalidInput(
                f"{darknet_weights} goes with a .cfg; for the model {reference!r} it is --weights file://{darknet_weights}"
            )
        model = open_model(reference, catalog, weights, size)
    elif darknet_weights is None:
        raise InvalidInput(f"{reference} needs its weights: strata quant import {reference} FILE.weights")
    elif weights or size:
        raise InvalidInput(
            f"{reference} brings its own size, and {darknet_weights} is its weights; no --weights, --size"
        )
    else:
        model = import_darknet(Path(reference), darknet_weights)
    return replace(model, labels=read_labels(labels, model.classes)) if labels else model


def read_labels(path: Path, classes: int) -> tuple[str, ...]:
    """The names of so many classes, one a line; empty lines do not count.

    Raises:
        InvalidInput: not to be read, no text, or another number of names.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InvalidInput(f"{path}: class names cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: byte {error.start} is no text; class names stand one a line, in UTF-8") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != classes:
        raise InvalidInput(f"{path}: {len(names)} class names, the model has {classes} classes")
    return names


def integer_path(model: Model, reference: str) -> Path:
    """Where a model's integers are by default: beside its file, or for a model by name in the working directory."""
    suffix = integer_file.SUFFIX
    return Path(reference).with_suffix(suffix) if Path(reference).is_file() else Path(f"{model.name}{suffix}")


def stored_integers(model: Model, reference: str, given: Path | None) -> Integers | None:
    """The integers of a file, or those at their default place; None where nothing is there and none was given."""
    path = given or integer_path(model, reference)
    return read_integers(path, model) if given or path.is_file() else None


def integers_for(
    model: Model, reference: str, given: Path | None, picture: Path, mode: Mode, tell: Progress, progress: Progress
) -> Integers:
    """The stored integers; else, where the mode needs some, made from the picture itself and four copies.

    Args:
        tell: told that nothing was stored.
    Raises:
        FailedPrecondition: AUTO without a measured plan.
    """
    found = stored_integers(model, reference, given)
    if mode is Mode.AUTO and not (found and found.auto_plan):
        raise FailedPrecondition(NO_AUTO)
    if found is not None or mode is Mode.FLOAT:
        return found or Integers()
    tell("no integers beside the model: calibrating on this picture, augmented to five")
    return Integers(calibrate_model(model, [picture], augmented=True, progress=progress)[0].calibration)


def integers_to_report(
    model: Model, reference: str, given: Path | None, pictures: Sequence[Path], tell: Progress, progress: Progress
) -> tuple[Integers, Observations]:
    """The stored integers, else those the pictures themselves give; and what the pictures show."""
    found = stored_integers(model, reference, given)
    if found is not None:
        return found, observe(model.graph, inputs_of(model, pictures, augmented=False))
    tell("no integers beside the model: calibrating on these pictures")
    calibrated, seen = calibrate_model(model, pictures, progress=progress)
    return Integers(calibrated.calibration), seen


def calibrate_to_file(
    model: Model,
    pictures: Sequence[Path],
    path: Path,
    algorithm: str,
    granularity: Granularity,
    *,
    augmented: bool,
    clock: Clock | None,
    progress: Progress,
) -> tuple[Calibrated, PlanChoice | None]:
    """Calibrate, and write what was found.

    Args:
        clock: measures the plan of AUTO with the threads now set; None leaves it out.
    Raises:
        InvalidInput: the file cannot be written, which is found out first.
        what `calibrate_model` raises.
    """
    check_place(path, "a file of integers", integer_file.SUFFIX)
    found, _ = calibrate_model(model, pictures, algorithm, granularity, augmented=augmented, progress=progress)
    here, choice = this_machine(), None
    integers = Integers(found.calibration, isa=here.isa)
    if clock is not None:
        inputs = list(inputs_of(model, pictures[:AGREEMENT_PICTURES], augmented=False))
        choice = choose_auto(model, found.calibration, inputs, clock)
        integers = integers._replace(auto_plan=choice.plan, measured_on=here)
    write_files({path: encode_integers(model, integers)})
    return found, choice


def export_model(model: Model, reference: str, given: Path | None, folder: Path) -> tuple[Path, Path]:
    """Write a model and its stored integers into a folder, both or none, and read them back.

    Raises:
        FailedPrecondition: there are no integers yet.
        InvalidInput: the folder cannot be made or written to.
    """
    integers = stored_integers(model, reference, given)
    if integers is None:
        raise FailedPrecondition(f"{reference} is not calibrated; `strata quant calibrate {reference} PICTURES` first")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder}: cannot be made: {error.strerror or error}") from error
    paths = folder / f"{model.name}{engine_file.SUFFIX}", folder / f"{model.name}{integer_file.SUFFIX}"
    _write_pair(paths, model, integers)
    read_integers(paths[1], read_model(paths[0]))
    return paths


def keep_variant(model: Model, integers: Integers, opened: Variant, variant: Variant, path: Path) -> None:
    """Write an edited model with its integers beside it, both or none.

    Precisions that were edited hold in HYBRID and INT8 from now on. A plan of AUTO is not kept: other weights, other
    times.

    Args:
        integers: those the model was opened with.
        opened, variant: the model as it was opened, and as it is now.
    Raises:
        InvalidInput: `path` has another suffix or cannot be written.
    """
    engine_file.check_model_place(path)
    edited = replace(model, graph=variant.graph, name=path.stem)
    if not variant.calibration.values:
        write_files({path: encode_model(edited)})
        return
    changed = {name: each for name, each in variant.plan.items() if each is not opened.plan[name]}
    kept = Integers(variant.calibration, edited={**integers.edited, **changed}, isa=integers.isa)
    _write_pair((path, path.with_suffix(integer_file.SUFFIX)), edited, kept)


def _write_pair(paths: tuple[Path, Path], model: Model, integers: Integers) -> None:
    write_files({paths[0]: encode_model(model), paths[1]: encode_integers(model, integers)})
