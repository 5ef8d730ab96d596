"""Pages that are saved as one file: opened in Chromium without a server and without a network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.contract.workbench_process import PICTURE, detector, integers
from tests.unit.workbench.commands import quant
from tests.web.browser import chromium, needs_browser, serious_findings

pytestmark = needs_browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example detector with its integers and a picture, and the pages made of them."""
    folder = tmp_path_factory.mktemp("pages")
    for name, content in {"it.strata": detector(), "it.integers": integers(), "it.jpg": PICTURE}.items():
        (folder / name).write_bytes(content)
    for verb in ("cross", "report"):
        made = quant(folder, verb, "it.strata", "it.jpg", "--html", f"{verb}.html")
        assert made.exit_code == 0, made.output
    return folder


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        yield without_network(browser)


def without_network(browser: Browser) -> Page:
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844}, color_scheme="dark")
    return context.new_page()


@pytest.mark.parametrize(("verb", "tables"), [("cross", 1), ("report", 3)])
def test_a_page_of_a_verb_stands_alone(folder: Path, page: Page, verb: str, tables: int) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    address = (folder / f"{verb}.html").as_uri()
    page.goto(address)
    assert asked == [address]
    assert page.get_by_role("table").count() == tables
    assert page.get_by_role("img", name="Error over the layers").bounding_box()["width"] > 300  # type: ignore[index]
    assert page.get_by_role("row", name="convolutional_0").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert serious_findings(page) == []


def test_a_page_is_written_to_a_page_alone(folder: Path) -> None:
    refused = quant(folder, "cross", "it.strata", "it.jpg", "--html", "it.strata")
    assert refused.exit_code != 0
    assert (folder / "it.strata").read_bytes() == detector()
