"""The models that can be called by name: the user's, the shipped example's, and the built-in full-size ones."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import services
from services.edge.errors import InvalidDeclaration, ModelNotFound
from services.edge.suggestion import did_you_mean
from services.zoo.model_file import ModelFile, read_model_file

BUILT_IN = Path(__file__).parent / "built_in"
SHIPPED = Path(services.__path__[0]).parent / "examples" / "fashion" / "models"
"""Beside the source; an installed wheel has none."""


class Catalog:
    """Model files by name; a name in an earlier folder hides the same name in a later one.

    Raises:
        InvalidDeclaration: a folder does not exist, a file has faults, or one folder holds a name twice.
    """

    def __init__(self, folders: Sequence[Path]):
        self._files: dict[str, ModelFile] = {}
        for folder in folders:
            for name, model_file in _read_folder(folder).items():
                self._files.setdefault(name, model_file)

    def names(self) -> list[str]:
        """Every model's name, sorted."""
        return sorted(self._files)

    def model(self, name: str) -> ModelFile:
        """Raises ModelNotFound, with the nearest name."""
        if name not in self._files:
            raise ModelNotFound(f"no model '{name}'{did_you_mean(name, self.names())} (`strata models` lists them)")
        return self._files[name]


def _read_folder(folder: Path) -> dict[str, ModelFile]:
    if not folder.is_dir():
        raise InvalidDeclaration(f"{folder}: no such folder of model files (see STRATA_MODELS)")
    found: dict[str, ModelFile] = {}
    # What an editor or another system leaves beside a file, such as ._x.yaml, is hidden and declares nothing.
    for path in sorted(path for path in folder.glob("*.yaml") if path.is_file() and not path.name.startswith(".")):
        model_file = read_model_file(path)
        if model_file.name in found:
            raise InvalidDeclaration(f"{path}: name: model '{model_file.name}' is declared twice in {folder}")
        found[model_file.name] = model_file
    return found


def _named_folders(environment: Mapping[str, str]) -> list[Path]:
    """The folders of STRATA_MODELS, separated as in PATH."""
    return [Path(each) for each in environment.get("STRATA_MODELS", "").split(os.pathsep) if each]


def default_catalog(environment: Mapping[str, str], beside: Path | None = None) -> Catalog:
    """What a name means: the one catalog of every command and service.

    The folders of STRATA_MODELS come first, then `models` beside a file, then the shipped example's, then the built-in
    ones.

    Args:
        beside: the folder of a file that names models.
    Raises:
        InvalidDeclaration: as `Catalog`.
    """
    folders = [*([beside / "models"] if beside else []), SHIPPED]
    return Catalog([*_named_folders(environment), *(folder for folder in folders if folder.is_dir()), BUILT_IN])
