"""The area `workbench`: how the console and the workbench answer people, and what they hold to."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from services.bench import workbench_papers
from services.bench.workbench_page import bundle_kb, page_figures
from services.bench.workbench_people import Stepped, people, resume
from services.bench.workbench_place import console_place
from services.bench.workbench_rules import rules
from services.workbench.pictures import EncodedPicture
from services.workbench.session_log import NamedModel
from services.zoo.pretrained import PRETRAINED, fetch_pretrained

Figures: TypeAlias = dict[str, float]

PACKAGES = ("torch", "fastapi", "grpcio", "sqlalchemy", "playwright", "schemathesis", "numpy")
PARTS = ("page", "users", "resume", "rules", "table")
BARS = {
    "paint_ms.p95": "<= 150",
    "open_ms": "<= 1000",
    "bundle_kb": "<= 350",
    "layout_ms": "<= 150",
    "longest_task_ms": "<= 50",
    "users": ">= 10",
    "users.p95_ms": "<= 500",
    "users.cross_talk": "<= 0",
    "users.session_mb": "<= 200",
    "resume_s": "<= 5",
    "axe": "<= 0",
    "keyboard": "<= 0",
    "isolation": ">= 1",
    "schema_faults": "<= 0",
    "upload_mb": "<= 64",
}
STEPPED, LARGE = "yolov3", "nasnet-a-mobile"
_RANDOM = "random://0"
_NOTES = """
A console over a workbench as `strata console start` runs them, on one machine, at once with the browser that uses them:
Debian's Chromium without a window, by Playwright, over the production bundle. yolov3 is at its own size of 416 pixels
with random weights, which its times do not depend on; yolov3-tiny has the official ones.

`paint_ms` is from the click on *Next* to the first frame with the layer's picture and statistics, over
`paint_ms.layers` layers of yolov3 in float, each seen for the first time. `open_ms` is the browser's first contentful
paint of a console that it has never seen, the median of some; `bundle_kb` what it loads first, gzipped.
`longest_task_ms` is the longest task of the main thread while NASNet-A's graph opens, and `layout_ms` what its layout
takes in the worker.

`users` people step yolov3 at once, one step a second each, each with an edit of his own: `.p95_ms` is from when a step
was due to its answer, `.cross_talk` counts answers of another layer or with another's edit, `.session_mb` is what each
session adds to the resident memory of the workbench whose weights the first has loaded. `users.FIGURE.COUNT` are
those of each number of people that was tried.

`resume_s` is from the start of a new process to the value of the layer at which the killed one's session stood, edit
included, less `resume_s.load`: from the start of a process to a new session on the same model. `resume_s.same` is 1
where both values are equal.

`axe` counts serious and critical findings on all pages, `keyboard` the actions of a graph that a mouse is needed for.
`isolation` is the share refused of `.tried`: every endpoint as nobody and, where it is about something, as somebody
else, and every RPC likewise. `schema_faults` counts what Schemathesis finds as two users: server errors, and answers
outside the OpenAPI document. `upload_mb` is what the console takes over idle, at its most, while 500 MB come.
"""


@dataclass(frozen=True)
class WorkbenchEffort:
    """How much is measured: steps and loads of the page, people, their steps, and examples of each operation."""

    steps: int
    loads: int
    people: Sequence[int]
    walk: int
    examples: int


FULL_EFFORT = WorkbenchEffort(100, 9, (2, 5, 10, 15), 60, 40)
QUICK_EFFORT = WorkbenchEffort(10, 2, (2,), 5, 4)


def measure(
    effort: WorkbenchEffort, parts: Sequence[str], picture: Path, tell: Callable[[str], None]
) -> Iterator[Figures]:
    """Measure parts, figures as they come.

    Args:
        picture: what the models look at.
    Raises:
        Unavailable: the console or the workbench does not answer.
        Unsupported: Chromium, Playwright or Schemathesis is missing.
    """
    content = picture.read_bytes()
    stepped = Stepped(NamedModel(STEPPED, _RANDOM, None), EncodedPicture(picture.name, content))
    if "page" in parts:
        yield bundle_kb()
        with console_place() as place, place.person("reader") as person:
            kept = person.upload(picture.name, content)
            tell(f"page: running {STEPPED} and {LARGE}")
            runs: dict[str, dict[str, Any]] = {
                word: person.run(model=model, mode="float", picture=kept, weights=_RANDOM)
                for word, model in {"stepped": STEPPED, "large": LARGE}.items()
            }
            tell("page: in Chromium")
            yield from page_figures(place, person, runs, effort.steps, effort.loads)
    if "users" in parts:
        yield from people(stepped, effort.people, effort.walk, tell)
    if "resume" in parts:
        yield from resume(stepped, tell)
    if "rules" in parts:
        with console_place() as place, place.person("owner") as owner, place.person("other") as other:
            kept = owner.upload(picture.name, content)
            run = owner.run(model="yolov3-tiny", mode="float", picture=kept, weights=_RANDOM, size=64)
            tell("rules: asking what must be refused")
            yield from rules(place, owner, other, {"file": kept, "run": run["id"]}, effort.examples)
    if "table" in parts:
        fetch_pretrained("yolov3-tiny")
        with console_place() as place, place.person("reader") as person:
            kept = person.upload(picture.name, content)
            for model in workbench_papers.MODELS:
                weights = f"{PRETRAINED}{model}" if model == "yolov3-tiny" else _RANDOM
                yield workbench_papers.table_1(person, model, weights, kept, tell)
                yield workbench_papers.augments(model, weights, stepped.picture, tell)


def notes(figures: Figures) -> str:
    """How it was measured, and the paper's table beside ours."""
    return "\n".join([_NOTES.rstrip(), "", *workbench_papers.notes(figures), ""])
