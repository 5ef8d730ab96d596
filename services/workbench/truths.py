"""What is on pictures, where files say so: a folder's name is its class, a text beside one has its boxes."""

import math
from collections.abc import Sequence
from pathlib import Path

from services.edge.errors import InvalidInput
from services.workbench.calibrating import Truths
from services.workbench.engine_model import EngineModel
from services.workbench.picture_files import labels_of
from services.zoo.detection import Detection

LABEL_SUFFIX = ".txt"


def truths_of(model: EngineModel, paths: Sequence[Path]) -> Truths | None:
    """Each picture's class or boxes; None unless each has them.

    Boxes are Darknet's label files, `street.txt` beside `street.jpg`: a line a box, class number, x, y, width, height.

    Raises:
        InvalidInput: a label file with a line that is no box; names file and line.
    """
    if not model.detects:
        return labels_of(model, paths)
    beside = [path.with_suffix(LABEL_SUFFIX) for path in paths]
    if not all(path.is_file() for path in beside):
        return None
    return [_boxes(path, model.classes) for path in beside]


def _boxes(path: Path, classes: int) -> tuple[Detection, ...]:
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return tuple(_box(f"{path}, line {number}", line, classes) for number, line in enumerate(lines, 1) if line.strip())


def _box(place: str, line: str, classes: int) -> Detection:
    try:
        label, *sides = line.split()
        x, y, width, height = map(float, sides)
        number = int(label)
    except ValueError:
        raise InvalidInput(f"{place}: expected a class number, x, y, width and height, not {line.strip()!r}") from None
    if not 0 <= number < classes:
        raise InvalidInput(f"{place}: class {number}; the model has classes 0 to {classes - 1}")
    if not all(map(math.isfinite, (x, y, width, height))):
        raise InvalidInput(f"{place}: a box needs finite numbers, not {line.strip()!r}")
    return Detection(number, 1.0, x, y, width, height)
