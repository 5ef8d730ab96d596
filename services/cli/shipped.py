"""The example that comes with the source: what commands use where no ensemble is named."""

from pathlib import Path

import services
from services.edge.errors import InvalidDeclaration

ENSEMBLE = Path(services.__path__[0]).parent / "examples" / "fashion" / "ensemble.yaml"


def ensemble_file(named: str) -> Path:
    """Return the file named, or the shipped example's.

    Raises:
        InvalidDeclaration: there is no such file, or the example is not installed.
    """
    path = Path(named) if named else ENSEMBLE
    if named.endswith((".yaml", ".yml")) and not path.is_file():
        raise InvalidDeclaration(f"{path}: no such ensemble file")
    if not path.is_file():
        raise InvalidDeclaration(
            f"{path}: no such ensemble file, and no service runs; give one with --ensemble FILE.yaml, or start one "
            "with `strata serve start FILE.yaml`"
        )
    return path
