"""What the area `workbench` measures: models, a picture, and how much of each is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.bench.workbench_place import Person
from services.workbench.pictures import EncodedPicture
from services.workbench.session_log import NamedModel

STEPPED, LARGE, SMALL = "yolov3", "nasnet-a-mobile", "yolov3-tiny"
RANDOM = "random://0"


@dataclass(frozen=True)
class WorkbenchEffort:
    """How much is measured.

    Attributes:
        steps: layers that the page goes on.
        loads: times that a page is opened.
        people: at once, ascending.
        walk: steps of each.
        examples: that Schemathesis makes of each operation and caller.
        papers: models of the paper's table.
    """

    steps: int
    loads: int
    people: Sequence[int]
    walk: int
    examples: int
    papers: Sequence[str]


@dataclass(frozen=True)
class WorkbenchSubject:
    """What is measured, with how much effort; `picture` is what the models look at."""

    effort: WorkbenchEffort
    picture: Path

    @property
    def model(self) -> NamedModel:
        """The one that people step, at its own size."""
        return NamedModel(STEPPED, RANDOM, None)

    @property
    def encoded(self) -> EncodedPicture:
        """The picture as a workbench takes it."""
        return EncodedPicture(self.picture.name, self.picture.read_bytes())

    def run(
        self, person: Person, model: str, mode: str = "float", weights: str = RANDOM, **more: Any
    ) -> dict[str, Any]:
        """Run a model over the picture, as a person does it; the run when it is over.

        Raises:
            Unavailable: it failed.
        """
        return person.run(model=model, mode=mode, weights=weights, picture=self.upload(person), **more)

    def upload(self, person: Person) -> str:
        """Put the picture among a person's files, once; its id."""
        return person.upload_once(self.picture.name, self.picture.read_bytes())
