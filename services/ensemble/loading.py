"""Ensembles ready to be served: their files, their models' and their accuracies, held against each other."""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from pathlib import Path

from services.edge.errors import InvalidDeclaration, ModelNotFound
from services.ensemble.accuracy_file import read_accuracy
from services.ensemble.ensemble_file import EnsembleFile, read_ensemble_file
from services.ensemble.served import Served
from services.zoo.catalog import Catalog, default_catalog
from services.zoo.model_file import ModelFile


def load_ensembles(paths: Iterable[Path], environment: Mapping[str, str], accuracies: bool = True) -> dict[str, Served]:
    """Read ensemble files.

    Models are looked up by name; those in the folder `models` beside the ensemble's file too: see `default_catalog`.

    Args:
        accuracies: read the tables of measured accuracies too; a new measurement does not need the old ones.
    Raises:
        InvalidDeclaration: a file has a fault, a member does not exist, members disagree on their labels, two
            ensembles have one name, or there is none at all.
    """
    # Once a folder: it reads dozens of files.
    catalog_beside = cache(partial(default_catalog, environment))
    loaded: dict[str, Served] = {}
    for path in paths:
        file = read_ensemble_file(path)
        if file.name in loaded:
            raise InvalidDeclaration(f"{path}: name: another ensemble is called '{file.name}' already")
        loaded[file.name] = _load(file, catalog_beside(file.file.parent), accuracies)
    if not loaded:
        raise InvalidDeclaration("no ensemble files are given; name at least one")
    return loaded


def _load(file: EnsembleFile, catalog: Catalog, accuracies: bool) -> Served:
    ensemble = file.ensemble()
    try:
        model_files = {model: catalog.model(model) for model in ensemble.models}
    except ModelNotFound as error:
        raise InvalidDeclaration(f"{file.file}: members: {error}") from error
    for model, model_file in model_files.items():
        if model_file.is_undivided:
            raise InvalidDeclaration(
                f"{file.file}: members: '{model}' is a Darknet network or a detector; an ensemble combines the scores "
                "of classifiers whose pictures are cut"
            )
    accuracy = read_accuracy(file.accuracy_path, ensemble) if accuracies and file.accuracy_path else None
    return Served(ensemble, model_files, _labels(file.file, model_files), accuracy)


def _labels(file: Path, model_files: Mapping[str, ModelFile]) -> tuple[str, ...]:
    labels = {model: model_file.label_names() for model, model_file in model_files.items()}
    named = {model: names for model, names in labels.items() if names}
    if len(set(named.values())) > 1:
        (first, names), *others = named.items()
        other = next(model for model, each in others if each != names)
        raise InvalidDeclaration(
            f"{file}: members: '{first}' and '{other}' do not have the same labels in the same order; "
            "they cannot be one ensemble"
        )
    return next(iter(named.values()), ())
