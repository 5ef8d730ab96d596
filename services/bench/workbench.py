"""The area `workbench`: how the console and the workbench answer people, and what they hold to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from services.bench.own_process import Figures, Tell, in_own_process
from services.bench.workbench_graph import large_graph
from services.bench.workbench_isolation import isolation
from services.bench.workbench_page import page
from services.bench.workbench_papers import MODELS, papers_table, table_beside_ours
from services.bench.workbench_people import people, resume
from services.bench.workbench_reach import reach
from services.bench.workbench_rules import schema, upload
from services.bench.workbench_subject import WorkbenchEffort, WorkbenchSubject
from services.edge.errors import Unavailable
from services.edge.progress import Progress

PACKAGES = ("torch", "fastapi", "grpcio", "sqlalchemy", "playwright", "schemathesis", "numpy")
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
FULL_EFFORT = WorkbenchEffort(100, 9, (5, 10, 15), 60, 40, MODELS)
QUICK_EFFORT = WorkbenchEffort(10, 2, (2,), 5, 4, MODELS[-1:])
_NOTES = """
A console over a workbench as `strata console run` runs them, on one machine, at once with the browser that uses them:
Debian's Chromium without a window, by Playwright, over the production bundle. yolov3 is at its own size of 608 pixels
with random weights, which its times do not depend on; NASNet-A Mobile has random weights, too; yolov3-tiny has the
official ones where its answers count. `layers.MODEL` is how many each has.

`paint_ms` is from the click on *Next* to the first frame with the layer's picture and statistics, over
`paint_ms.layers` layers of yolov3 in float, each seen for the first time, one a second. `paint_ms.hurried` is the same
where each click follows as soon as the layer before is shown, which leaves no time to ask for anything ahead.
`open_ms` is the browser's first contentful paint of a console that it has never seen, the median of some; `bundle_kb`
what it loads first, gzipped.

`longest_task_ms` is the longest task of the main thread while NASNet-A's graph opens to be stepped, and `layout_ms`
what its layout takes in the worker: medians over openings of the page, `.largest` the most of all. `.model`, `.table`
and `.panes` are the same of the model's page, of its table and of the page of runs side by side. 0 is that no task took
more than 50 ms, below which a browser does not call one long.

`users` people step yolov3 at once, one step a second each, each with an edit of his own: `.p95_ms` is from when a step
was due to its answer, `.cross_talk` counts answers of another layer or with another's edit, `.session_mb` is what each
session adds to the resident memory of the workbench whose weights the first has loaded. `users.FIGURE.COUNT` are
those of each number of people that was tried.

`resume_s` is from the start of a new process to the value of the layer at which the killed one's session stood, edit
included, less `resume_s.load`: from the start of a process to a new session on the same model. `resume_s.same` is 1
where both values are equal.

`axe` counts serious and critical findings over `axe.pages`: every page wide and narrow, light and dark. `keyboard`
counts the actions of a graph, of `.tried`, that the keyboard alone does not do. `isolation` is the share refused of
`.tried`: every endpoint as nobody, and as somebody else, who finds nothing of its owner's there; and every RPC
likewise. `schema_faults` counts what Schemathesis finds as two users: server errors, and answers outside the OpenAPI
document, among `.asked` requests of `.operations`. `upload_mb` is the most that the console takes over idle while
500 MB come, in MiB.
"""


@dataclass(frozen=True)
class _Part:
    """A part, and the minutes that it takes at full effort on two idle cores, roughly."""

    work: Callable[[WorkbenchSubject, Tell], Iterator[Figures]]
    minutes: float


_PARTS = {
    "page": _Part(page, 4),
    "graph": _Part(large_graph, 2.5),
    "reach": _Part(reach, 2.5),
    "users": _Part(people, 5),
    "resume": _Part(resume, 1),
    "isolation": _Part(isolation, 1),
    "schema": _Part(schema, 5),
    "upload": _Part(upload, 0.5),
    "table": _Part(papers_table, 6),
}
PARTS = tuple(_PARTS)
_LIMIT = 3.0
"""Times the minutes that it should take, after which a part is ended."""


def measure(
    subject: WorkbenchSubject, parts: Sequence[str], progress: Progress, left_out: dict[str, str]
) -> Iterator[Figures]:
    """Measure parts, figures as they come, each in a process of its own; one that fails does not keep the others.

    Args:
        left_out: gets what kept each part that was not measured to its end.
    """
    for number, name in enumerate(parts):
        minutes = sum(_PARTS[each].minutes for each in parts[number:])
        progress(f"part {number + 1} of {len(parts)}: {name}; some {minutes:.0f} minutes left at full effort")
        part = _PARTS[name]
        try:
            yield from in_own_process(partial(part.work, subject), 60 * _LIMIT * part.minutes, progress)
        except Unavailable as error:
            left_out[name] = str(error)
            progress(f"{name} is left out: {error}")


def notes(figures: Mapping[str, float]) -> str:
    """How it was measured, and the paper's table beside ours."""
    return "\n".join([_NOTES.rstrip(), "", *table_beside_ours(figures), ""])
