"""Chromium over the console's page, as people use it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page

from services.bench.browser import AXE, CHROMIUM, ROOT, chromium, serious_findings
from services.console.pages import BUNDLE
from tests.contract.console_process import PASSWORD

__all__ = ["NARROW", "ROOT", "WIDE", "chromium", "needs_browser", "page_of", "serious_findings", "sign_up"]

WIDE, NARROW = (1280, 900), (390, 844)

_KNOWN = ("401", "ERR_NETWORK_CHANGED")
"""What a page logs that is no fault of its: that nobody is logged in yet, which its first question is for; and that
Chromium dropped a request, which the page repeats, when the machine got or lost a network, as with each container."""

needs_browser = [
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
    pytest.mark.skipif(not (BUNDLE.is_dir() and AXE.exists()), reason="needs the page that `make web` builds"),
]


@contextmanager
def page_of(browser: Browser, address: str, size: tuple[int, int] = WIDE, colours: str = "light") -> Iterator[Page]:
    """A page of a person of its own; what it logs as an error fails the test."""
    scheme = "dark" if colours == "dark" else "light"
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(base_url=address, viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    try:
        yield page
    finally:
        context.close()
    unexpected = [error for error in errors if not any(known in error for known in _KNOWN)]
    assert not unexpected, unexpected


def sign_up(page: Page, name: str) -> None:
    """Make an account by the page."""
    page.goto("/")
    page.get_by_role("button", name="sign up").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up", exact=True).click()
    page.get_by_role("heading", name="Runs").wait_for()
