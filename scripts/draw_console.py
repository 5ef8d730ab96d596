"""Draw the console's pages for docs/console.md: the official yolov3-tiny over Darknet's dog, in Debian's Chromium.

strata models fetch && python -m scripts.draw_console /usr/share/darknet/data/dog.jpg
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from tests.contract.console_process import serving
from tests.web.browser import NARROW, ROOT, WIDE, chromium, page_of, sign_up

PICTURES = ROOT / "docs" / "console"
MODEL, LAYER = "yolov3-tiny", "convolutional_4"


def main(picture: Path) -> None:
    """Go through the pages once, and draw each."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as console, chromium() as browser:
        with page_of(browser, console.address, WIDE) as page:
            page.goto("/")
            page.get_by_role("button", name="sign up").wait_for()
            draw(page, "log-in")
            sign_up(page, "ada")
            upload(page, picture)
            draw(page, "files")
            run(page, picture)
            draw(page, "runs")
            page.get_by_role("link", name=f"Step {MODEL}, int8").click()
            step(page)
            draw(page, "step")
            address = page.url
            page.get_by_role("link", name="Cross").click()
            page.get_by_role("button", name="Cross").click()
            page.get_by_role("status").filter(has_text="error").wait_for()
            draw(page, "cross")
            model(page)
            draw(page, "model")
            model_address = page.url
            augment(page, picture)
            draw(page, "augment")
            panes(page)
            draw(page, "panes")
            quantise(page)
            draw(page, "quantise")
            state = page.context.storage_state()
        context = browser.new_context(
            viewport={"width": NARROW[0], "height": NARROW[1]}, color_scheme="dark", storage_state=state
        )
        narrow = context.new_page()
        narrow.set_default_timeout(60_000)
        narrow.goto(address)
        narrow.get_by_role("group", name="Graph of the layers").wait_for()
        narrow.get_by_role("button", name="Table").click()
        step(narrow)
        draw(narrow, "step-narrow-dark")
        narrow.goto(model_address)
        narrow.get_by_role("img", name=f"weights of {LAYER}").wait_for()
        narrow.get_by_role("button", name="Measure errors").click()
        narrow.get_by_role("list", name="Colours").wait_for()
        narrow.get_by_role("progressbar", name="Crossing").wait_for(state="hidden")
        draw(narrow, "model-narrow-dark")
        context.close()


def upload(page: Page, picture: Path) -> None:
    page.get_by_role("link", name="Files").click()
    page.get_by_label("Drop files here, or choose them").set_input_files(picture)
    page.get_by_role("row", name=picture.name).wait_for()


def run(page: Page, picture: Path) -> None:
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("combobox", name="Model").select_option(label=MODEL)
    page.get_by_role("combobox", name="Picture").select_option(label=picture.name)
    for mode in ("hybrid", "int8"):
        page.get_by_label(mode, exact=True).check()
    page.get_by_role("button", name="Run", exact=True).click()
    for mode in ("float", "hybrid", "int8"):
        page.get_by_role("listitem", name=f"{MODEL}, {mode}").get_by_text(" ms").wait_for(timeout=240_000)


def step(page: Page) -> None:
    page.get_by_role("button", name="Next").click()
    page.get_by_role("region", name="Layers", exact=True).get_by_role("button", name=LAYER).click()
    page.get_by_role("img", name=f"Feature maps of {LAYER}").wait_for()
    page.get_by_role("img", name=f"Value of {LAYER}").wait_for()


def model(page: Page) -> None:
    """Coloured by the cross that was made before."""
    page.get_by_role("link", name="Model", exact=True).click()
    page.get_by_role("button", name="error", exact=True).click()
    page.get_by_role("region", name="Layers", exact=True).get_by_role("button", name=LAYER).click()
    page.get_by_role("img", name=f"weights of {LAYER}").wait_for()


def augment(page: Page, picture: Path) -> None:
    page.get_by_role("link", name="Augment").click()
    page.get_by_role("combobox", name="Picture").select_option(label=picture.name)
    page.get_by_role("img", name="flopped").wait_for()
    page.get_by_role("button", name="Keep them").click()
    page.get_by_role("button", name="Keep", exact=True).click()
    page.get_by_role("status").filter(has_text="Kept").wait_for()


def panes(page: Page) -> None:
    page.get_by_role("link", name="Runs", exact=True).click()
    for mode in ("float", "int8"):
        page.get_by_label(f"compare {MODEL}, {mode}").check()
    page.get_by_role("link", name="Side by side").click()
    page.get_by_role("region", name=f"{MODEL}, int8").get_by_role("button", name="convolutional_0").click()
    for mode in ("float", "int8"):
        page.get_by_role("region", name=f"{MODEL}, {mode}").get_by_role("img", name="Value of").wait_for()


def quantise(page: Page) -> None:
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("link", name=f"Model of {MODEL}, int8").click()
    page.get_by_role("link", name="Quantise").click()
    page.get_by_role("button", name="Hold every second out").click()
    page.get_by_role("button", name="Calibrate", exact=True).click()
    page.get_by_role("region", name="Algorithms by layer").get_by_text("✓").first.wait_for(timeout=240_000)
    for pictures in ("calibration", "held-out"):
        page.get_by_role("button", name=f"{pictures} pictures").click()
        page.get_by_role("columnheader", name=pictures).wait_for(timeout=240_000)


def draw(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
