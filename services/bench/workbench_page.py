"""How the console's page answers people: in Chromium, over the production bundle."""

import gzip
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from services.bench.browser import chromium, serious_findings
from services.bench.rounds import percentile
from services.bench.workbench_place import ConsolePlace, Person
from services.console.http_callers import COOKIE
from services.console.pages import BUNDLE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Figures: TypeAlias = dict[str, float]
_WAIT_MS = 60_000
# From the click to the first frame that has the layer's picture and its statistics.
_NEXT = """layer => new Promise((resolve, reject) => {
  const shown = () => [...document.images].some(
    image => image.alt === `Feature maps of ${layer}` && image.complete && image.naturalWidth > 0)
    && document.querySelector(`[data-layer="${CSS.escape(layer)}"] dl`) !== null;
  const began = performance.now();
  const look = () => {
    if (shown()) requestAnimationFrame(() => resolve(performance.now() - began));
    else if (performance.now() - began > 60000) reject(new Error(`${layer} is not shown`));
    else requestAnimationFrame(look);
  };
  [...document.querySelectorAll('button')].find(button => button.textContent.includes('Next')).click();
  requestAnimationFrame(look);
})"""
_LONG_TASKS = """window.longTasks = [];
new PerformanceObserver(list => window.longTasks.push(...list.getEntries().map(entry => entry.duration)))
  .observe({type: 'longtask', buffered: true});"""
_GRAPH = ".react-flow__node"


def bundle_kb() -> Figures:
    """What a browser loads first, gzipped."""
    page = (BUNDLE / "index.html").read_text()
    first = [BUNDLE / path for path in re.findall(r'(?:src|href)="/(assets/[^"]+)"', page)]
    return {"bundle_kb": sum(len(gzip.compress(path.read_bytes())) for path in first) / 1000}


def page_figures(
    place: ConsolePlace, person: Person, runs: dict[str, dict[str, Any]], steps: int, loads: int
) -> Iterator[Figures]:
    """Open the page, and step with it.

    Args:
        runs: of the model that is stepped, `stepped`, and of a large graph, `large`.
        steps: layers to go on.
        loads: times that the page is opened.
    """
    with chromium() as browser:
        yield {"open_ms": median(_open_ms(browser, place) for _ in range(loads))}
        with _logged_in(browser, place, person) as page:
            layers = person.client.get(f"/api/runs/{runs['stepped']['id']}/graph").json()["layers"]
            yield _paint(page, runs["stepped"]["id"], [layer["name"] for layer in layers[:steps]])
            yield _opening(page, runs["large"]["id"])
            yield {"axe": float(sum(len(_findings(page, path)) for path in _paths(runs["stepped"]["id"])))}
            yield {"keyboard": float(len(mouse_actions(page, runs["stepped"]["id"])))}


def _open_ms(browser: "Browser", place: ConsolePlace) -> float:
    context = browser.new_context(base_url=place.address)
    try:
        page = context.new_page()
        page.goto("/")
        page.get_by_role("button", name="Log in", exact=True).wait_for(timeout=_WAIT_MS)
        return float(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    finally:
        context.close()


@contextmanager
def _logged_in(browser: "Browser", place: ConsolePlace, person: Person) -> Iterator["Page"]:
    context = browser.new_context(base_url=place.address, viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": COOKIE, "value": person.client.cookies[COOKIE], "url": place.address}])
    context.add_init_script(_LONG_TASKS)
    page = context.new_page()
    page.set_default_timeout(_WAIT_MS)
    try:
        yield page
    finally:
        context.close()


def _paint(page: "Page", run: str, layers: list[str]) -> Figures:
    page.goto(f"/runs/{run}/step")
    page.get_by_role("button", name="Next").wait_for()
    page.locator(_GRAPH).first.wait_for()
    times_ms = [float(page.evaluate(_NEXT, layer)) for layer in layers]
    return {
        "paint_ms.p95": percentile(times_ms, 0.95),
        "paint_ms.p50": percentile(times_ms, 0.5),
        "paint_ms.largest": max(times_ms),
        "paint_ms.layers": float(len(layers)),
    }


def _opening(page: "Page", run: str) -> Figures:
    """A large graph, as it opens."""
    page.goto(f"/runs/{run}/step")
    page.locator(_GRAPH).first.wait_for()
    page.wait_for_timeout(1000)
    tasks = page.evaluate("window.longTasks")
    figures = {"longest_task_ms": float(max(tasks, default=0.0))}
    laid_out = page.evaluate("performance.getEntriesByName('layout').map(entry => entry.duration)")
    return figures | ({"layout_ms": float(max(laid_out))} if laid_out else {})


def _paths(run: str) -> list[str]:
    return ["/files", "/runs", f"/runs/{run}/step", f"/runs/{run}/cross"]


def _findings(page: "Page", path: str) -> list[str]:
    page.goto(path)
    page.get_by_role("heading").first.wait_for()
    return serious_findings(page)


def mouse_actions(page: "Page", run: str) -> list[str]:
    """The actions of a graph that cannot be done by the keyboard alone."""
    page.goto(f"/runs/{run}/step")
    page.get_by_role("button", name="Next").wait_for()
    heading = page.get_by_role("region", name="The layer's value").get_by_role("heading").first

    def shown() -> str:
        heading.wait_for()
        return heading.inner_text()

    def moves(press: Callable[[], None]) -> bool:
        before = shown()
        press()
        try:
            page.wait_for_function(
                "before => document.querySelector('[data-layer] h2').innerText !== before", arg=before
            )
        except Exception:
            return False
        return True

    def open_from_the_table() -> None:
        page.get_by_role("button", name="Table").press("Enter")
        page.get_by_role("table").get_by_role("button").nth(2).press("Enter")

    page.keyboard.press("n")
    actions: dict[str, Callable[[], None]] = {
        "next": lambda: page.keyboard.press("n"),
        "back": lambda: page.keyboard.press("p"),
        "to the end": lambda: page.keyboard.press("e"),
        "open a layer": open_from_the_table,
    }
    return [name for name, press in actions.items() if not moves(press)]
