"""What a compiled stage says of itself: all that serving it needs.

Standard library only: a cold start reads this first.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from services.edge.errors import ArtifactNotFound, InvalidDeclaration
from services.zoo.manifest import InputSpec

FILE_NAME = "stage.json"


@dataclass(frozen=True)
class StageManifest:
    """A compiled stage.

    Attributes:
        chain: digest of the model and its cuts; the same for all of its stages.
        stage: from 0.
        stages: how many there are.
        first, last: the layers it begins and ends with.
        input_shape, output_shape: of one picture's value, without the batch axis.
        working_bytes: the most that one operator reads and writes, for one picture.
        labels: of the classes, of the last stage; empty where none were given.
        input_spec: how a picture becomes the first stage's input.
        precision: the model's; a value of codes crosses as what it stands for.
    """

    model: str
    chain: str
    stage: int
    stages: int
    name: str
    runtime: str
    first: str
    last: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    working_bytes: int
    labels: tuple[str, ...]
    input_spec: InputSpec
    precision: str = "float"

    @property
    def is_first(self) -> bool:
        """Its input is a record."""
        return self.stage == 0

    @property
    def is_last(self) -> bool:
        """Its output is the model's scores."""
        return self.stage == self.stages - 1

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ArtifactNotFound where there is no compiled stage, InvalidDeclaration where its manifest is broken."""
        path = folder / FILE_NAME
        try:
            content = json.loads(path.read_text())
            spec: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in content["input_spec"].items()
            }
            tuples = {key: tuple(content[key]) for key in ("input_shape", "output_shape", "labels")}
            return cls(**{**content, **tuples, "input_spec": InputSpec(**spec)})
        except FileNotFoundError as error:
            raise ArtifactNotFound(f"{folder}: no compiled stage here ({FILE_NAME} is missing)") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidDeclaration(
                f"{path}: not the manifest of a compiled stage: {error}; remove the folder, and it is compiled anew"
            ) from error

    def write(self, folder: Path) -> None:
        """Write `stage.json` into `folder`."""
        (folder / FILE_NAME).write_text(json.dumps(asdict(self), indent=1) + "\n")
