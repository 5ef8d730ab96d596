"""Debian's Chromium, driven by Playwright, and axe's findings on what it shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from services.edge.errors import Unsupported

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"
_ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser without a window. Raises Unsupported where Playwright, Chromium or axe is missing."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise Unsupported("Playwright is not installed: it comes with the packages for development") from error
    for path, whence in {CHROMIUM: "Debian's package chromium", AXE: "`make web`"}.items():
        if not path.exists():
            raise Unsupported(f"{path} is missing: it comes from {whence}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def serious_findings(page: "Page") -> list[str]:
    """What axe finds serious or critical on the page as it is now."""
    page.evaluate(AXE.read_text())  # not as a script of the page: its policy allows none
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
