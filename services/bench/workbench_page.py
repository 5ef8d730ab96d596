"""How the console's page answers people: in Chromium, over the production bundle."""

import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, TypeAlias

from services.bench.browser import chromium
from services.bench.own_process import Tell
from services.bench.rounds import percentile
from services.bench.workbench_place import ConsolePlace, Person, console_place
from services.bench.workbench_subject import STEPPED, WorkbenchSubject
from services.console.http_callers import COOKIE
from services.console.pages import BUNDLE
from services.edge.errors import Unsupported

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Figures: TypeAlias = dict[str, float]
WIDE, NARROW = (1280, 900), (390, 844)
_WAIT_MS = 60_000
_READ_S = 1.0
"""From one step to the next of somebody who looks at each layer: as `users` step."""
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
_PAINTED = "performance.getEntriesByName('first-contentful-paint')"
GRAPH = ".react-flow__node"


def page(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Open the page, and step with it."""
    yield bundle_kb()
    with console_place() as place, place.person("reader") as person, chromium() as browser:
        tell("page: opened by a browser that has never seen it")
        yield {"open_ms": median(_open_ms(browser, place) for _ in range(subject.effort.loads))}
        for of, interval_s in (("paint_ms", _READ_S), ("paint_ms.hurried", 0.0)):
            tell(f"page: running {STEPPED}")
            run = subject.run(person, STEPPED)["id"]
            layers = [layer["name"] for layer in person.layers(run)]
            tell(f"page: stepping, {'one layer a second' if interval_s else 'as soon as one is shown'}")
            with logged_in(browser, place, person) as opened:
                yield _paint(of, opened, run, layers[: subject.effort.steps], interval_s)
        yield {f"layers.{STEPPED}": float(len(layers))}


def bundle_kb() -> Figures:
    """What a browser loads first, gzipped. Raises Unsupported where the page is not built."""
    try:
        html = (BUNDLE / "index.html").read_text()
    except FileNotFoundError as error:
        raise Unsupported("the page is not built: run `make web`") from error
    first = [BUNDLE / path for path in re.findall(r'(?:src|href)="/(assets/[^"]+)"', html)]
    return {"bundle_kb": sum(len(gzip.compress(path.read_bytes())) for path in first) / 1000}


@contextmanager
def logged_in(
    browser: "Browser", place: ConsolePlace, person: Person, size: tuple[int, int] = WIDE, colours: str = "light"
) -> Iterator["Page"]:
    """A page of somebody; what its main thread takes long for is in `window.longTasks`, in ms.

    Args:
        size: of the window, in pixels.
        colours: that the browser prefers, light or dark.
    """
    scheme = "dark" if colours == "dark" else "light"
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(base_url=place.address, viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
    context.add_cookies([{"name": COOKIE, "value": person.client.cookies[COOKIE], "url": place.address}])
    context.add_init_script(_LONG_TASKS)
    opened = context.new_page()
    opened.set_default_timeout(_WAIT_MS)
    try:
        yield opened
    finally:
        context.close()


def _open_ms(browser: "Browser", place: ConsolePlace) -> float:
    context = browser.new_context(base_url=place.address)
    try:
        opened = context.new_page()
        opened.goto("/")
        opened.get_by_role("button", name="Log in", exact=True).wait_for(timeout=_WAIT_MS)
        opened.wait_for_function(f"{_PAINTED}.length > 0")
        return float(opened.evaluate(f"{_PAINTED}[0].startTime"))
    finally:
        context.close()


def _paint(of: str, opened: "Page", run: str, layers: list[str], interval_s: float) -> Figures:
    opened.goto(f"/runs/{run}/step")
    opened.get_by_role("button", name="Next").wait_for()
    opened.locator(GRAPH).first.wait_for()
    times_ms = []
    for layer in layers:
        times_ms.append(float(opened.evaluate(_NEXT, layer)))
        opened.wait_for_timeout(max(0.0, 1e3 * interval_s - times_ms[-1]))
    return {
        f"{of}.p95": percentile(times_ms, 0.95),
        f"{of}.p50": percentile(times_ms, 0.5),
        f"{of}.largest": max(times_ms),
        f"{of}.layers": float(len(layers)),
    }
