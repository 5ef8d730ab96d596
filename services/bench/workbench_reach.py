"""Whether everybody reaches everything: what axe finds on each page, and what of a graph needs a mouse."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, TypeAlias

from services.bench.browser import chromium, serious_findings
from services.bench.own_process import Tell
from services.bench.workbench_page import NARROW, WIDE, logged_in
from services.bench.workbench_place import console_place
from services.bench.workbench_subject import SMALL, WorkbenchSubject

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Figures: TypeAlias = dict[str, float]
_TABS = 60
_MOVES_MS = 10_000
_SETTLES_MS = 300
_HERE = "() => document.querySelector('.layer-box.here')?.innerText ?? ''"
_WHERE = "() => document.querySelector('.react-flow__viewport')?.style.transform ?? ''"
_HEADING = "() => document.querySelector('[data-layer] h2')?.innerText ?? ''"
_IN_GRAPH = "() => document.activeElement?.classList.contains('graph') ?? false"


def reach(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Look at every page in each size and colour, and use a graph by the keyboard alone."""
    with console_place() as place, place.person("reader") as person, chromium() as browser:
        run = subject.run(person, SMALL, "int8")["id"]
        layer = person.layers(run)[0]["name"]
        person.client.post(f"/api/runs/{run}/step", json={"to": "layer", "layer": layer}).raise_for_status()
        link = person.client.post(f"/api/runs/{run}/links", json={}).raise_for_status().json()["address"]
        shared, pages = person.get(link).text, pages_of(run, layer)
        seen = 0
        findings: list[str] = []
        for size, colours in product((WIDE, NARROW), ("light", "dark")):
            tell(f"reach: {len(pages)} pages, {size[0]} pixels wide, {colours}")
            with logged_in(browser, place, person, size, colours) as opened:
                for name, address in pages.items():
                    findings += [f"{name}, {size[0]} px, {colours}: {each}" for each in findings_of(opened, address)]
                opened.goto("about:blank")  # a shared layer lets nothing run in its own place, axe neither
                opened.set_content(shared)
                findings += [f"shared layer, {size[0]} px, {colours}: {each}" for each in serious_findings(opened)]
                seen += len(pages) + 1
        tell("reach: the page of who is not logged in")
        findings += [f"log in: {each}" for each in _of_nobody(browser, place.address)]
        for each in findings:
            tell(f"axe: {each}")
        yield {"axe": float(len(findings)), "axe.pages": float(seen + 1)}
        with logged_in(browser, place, person) as opened:
            tell("reach: by the keyboard")
            needing, tried = mouse_actions(opened, run)
            for each in needing:
                tell(f"keyboard: {each} needs a mouse")
            yield {"keyboard": float(len(needing)), "keyboard.tried": float(tried)}


def pages_of(run: str, layer: str) -> Mapping[str, str]:
    """Every page of the console for who is logged in, with the address that shows it of a run and a layer."""
    return {
        "files": "/files",
        "runs": "/runs",
        "side by side": f"/panes?run={run}&layer={layer}",
        "augment": "/augment",
        "model": f"/runs/{run}/model?layer={layer}",
        "model as a table": f"/runs/{run}/model?view=table&layer={layer}",
        "step": f"/runs/{run}/step",
        "cross": f"/runs/{run}/cross",
        "quantise": f"/runs/{run}/quantise",
        "ensembles": "/ensembles",
        "pipelines": "/pipelines",
        "none": "/no-such-page",
    }


def findings_of(opened: "Page", address: str) -> list[str]:
    """What axe finds serious or critical on a page when it has come."""
    opened.goto(address)
    opened.get_by_role("heading").first.wait_for()
    opened.wait_for_function("() => !/(Loading|Opening|Looking|Laying)[^.]* …/.test(document.body.innerText)")
    opened.wait_for_timeout(_SETTLES_MS)
    return serious_findings(opened)


def _of_nobody(browser: "Browser", address: str) -> list[str]:
    context = browser.new_context(base_url=address)
    try:
        return findings_of(context.new_page(), "/")
    finally:
        context.close()


def mouse_actions(opened: "Page", run: str) -> tuple[list[str], int]:
    """The actions of a graph that cannot be done by the keyboard alone, and how many were tried."""
    keys = opened.keyboard

    def does(change: str, press: Callable[[], None]) -> bool:
        """Tell whether what `change` reads is another after the keys."""
        from playwright.sync_api import TimeoutError as TakesTooLong

        before = opened.evaluate(change)
        press()
        try:
            opened.wait_for_function(f"before => ({change})() !== before", arg=before, timeout=_MOVES_MS)
        except TakesTooLong:
            return False
        return True

    def open_from_the_table() -> None:
        opened.get_by_role("button", name="Table").press("Enter")
        opened.get_by_role("table").get_by_role("button").nth(2).press("Enter")

    opened.goto(f"/runs/{run}/step")
    opened.locator(".layer-box.here").wait_for()
    actions: dict[str, Callable[[], bool]] = {
        "next": lambda: does(_HEADING, lambda: keys.press("n")),
        "back": lambda: does(_HEADING, lambda: keys.press("p")),
        "to the graph": lambda: _tab_to_graph(opened),
        "to a layer that reads this one": lambda: does(_HERE, lambda: keys.press("ArrowDown")),
        "to a layer that it reads": lambda: does(_HERE, lambda: keys.press("ArrowUp")),
        "zoom in": lambda: does(_WHERE, lambda: keys.press("+")),
        "zoom out": lambda: does(_WHERE, lambda: keys.press("-")),
        "pan": lambda: does(_WHERE, lambda: keys.press("Shift+ArrowDown")),
        "show all": lambda: does(_WHERE, lambda: keys.press("0")),
        "to the end": lambda: does(_HEADING, lambda: keys.press("e")),
        "open a layer of the table": lambda: does(_HEADING, open_from_the_table),
    }
    return [name for name, act in actions.items() if not act()], len(actions)


def _tab_to_graph(opened: "Page") -> bool:
    for _ in range(_TABS):
        if opened.evaluate(_IN_GRAPH):
            return True
        opened.keyboard.press("Tab")
    return False
