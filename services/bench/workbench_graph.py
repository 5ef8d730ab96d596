"""How the page takes a large network: its graph, its table, and each of its pages as it opens."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from services.bench.browser import chromium
from services.bench.own_process import Tell
from services.bench.workbench_page import GRAPH, logged_in
from services.bench.workbench_place import console_place
from services.bench.workbench_subject import LARGE, WorkbenchSubject

if TYPE_CHECKING:
    from playwright.sync_api import Page

Figures: TypeAlias = dict[str, float]
_SETTLES_MS = 1000


def large_graph(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Open the pages of a network of many layers, each several times."""
    with console_place() as place, place.person("reader") as person, chromium() as browser:
        tell(f"graph: running {LARGE}")
        run = subject.run(person, LARGE)["id"]
        layers = person.layers(run)
        yield {f"layers.{LARGE}": float(len(layers))}
        pages = {
            "": (f"/runs/{run}/step", GRAPH),
            ".model": (f"/runs/{run}/model", GRAPH),
            ".table": (f"/runs/{run}/model?view=table", "tbody tr"),
            ".panes": (f"/panes?run={run}&layer={layers[0]['name']}", GRAPH),
        }
        with logged_in(browser, place, person) as opened:
            for name, (address, shown) in pages.items():
                tell(f"graph: opening {address.partition('?')[0].replace(run, 'RUN')}")
                found = [_open(opened, address, shown) for _ in range(subject.effort.loads)]
                yield _over_openings(name, found)


def _open(opened: "Page", address: str, shown: str) -> Figures:
    opened.goto(address)
    opened.locator(shown).first.wait_for()
    opened.wait_for_timeout(_SETTLES_MS)
    tasks = opened.evaluate("window.longTasks")
    laid_out = opened.evaluate("performance.getEntriesByName('layout').map(entry => entry.duration)")
    layout = {"layout_ms": float(max(laid_out))} if laid_out else {}
    return {"longest_task_ms": float(max(tasks, default=0.0)), **layout}


def _over_openings(name: str, found: Sequence[Mapping[str, float]]) -> Figures:
    """Medians over the openings, and the most of all."""
    figures: Figures = {}
    for key in found[0] if not name else ("longest_task_ms",):
        values = [each[key] for each in found]
        figures |= {f"{key}{name}": median(values), f"{key}{name}.largest": max(values)}
    return figures
