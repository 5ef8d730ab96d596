"""The table of measured accuracies on disk."""

import json
from pathlib import Path

from services.edge.declaration import read_declaration
from services.edge.errors import InvalidDeclaration
from services.edge.whole_files import write_whole
from services.ensemble.accuracy import AccuracyFile, AccuracyTable, weights_of
from services.ensemble.domain import Ensemble


def read_accuracy(path: Path, ensemble: Ensemble) -> AccuracyTable | None:
    """Read the table that belongs to an ensemble; None where it has not been measured.

    Raises:
        InvalidDeclaration: not such a file, or measured with another rule or other weights.
    """
    if not path.exists():
        return None
    file = read_declaration(path, AccuracyFile)
    for what, measured, declared in (
        ("rule", file.rule, ensemble.rule),
        ("weights", file.weights, weights_of(ensemble)),
    ):
        if measured != declared:
            raise InvalidDeclaration(
                f"{path}: {what}: measured with {measured}, but ensemble '{ensemble.name}' declares {declared}; "
                "measure again with `strata ensemble evaluate`"
            )
    return AccuracyTable.of(file)


def write_accuracy(path: Path, file: AccuracyFile) -> None:
    """Write the table, whole or not at all."""
    write_whole({path: (json.dumps(file.model_dump(mode="json"), indent=1) + "\n").encode()})
