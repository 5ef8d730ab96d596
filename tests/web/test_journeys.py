"""Journeys through the console's page, in Chromium over a real console and a real workbench."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.contract.console_process import Served, serving
from tests.contract.workbench_process import PICTURE, detector, integers
from tests.web.browser import NARROW, WIDE, chromium, needs_browser, page_of, serious_findings, sign_up

pytestmark = needs_browser
FIRST = "convolutional_0"
expect.set_options(timeout=60_000)  # as long as an action may wait: a busy machine measures slowly


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("console")) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The example detector, its integers, and a picture."""
    folder = tmp_path_factory.mktemp("files")
    contents = {"shapes.strata": detector(), "shapes.integers": integers(), "shapes.jpg": PICTURE}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def upload(page: Page, files: list[Path]) -> None:
    page.get_by_role("link", name="Files").click()
    page.get_by_label("Drop files here, or choose them").set_input_files(files)
    for file in files:
        page.get_by_role("row", name=file.name).wait_for()


def run(page: Page, *modes: str) -> None:
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("combobox", name="Model").select_option(label="shapes.strata")
    page.get_by_role("combobox", name="Picture").select_option(label="shapes.jpg")
    page.get_by_text("More").click()
    page.get_by_role("combobox", name="Integers").select_option(label="shapes.integers")
    page.get_by_label("float", exact=True).uncheck()
    for mode in modes:
        page.get_by_label(mode, exact=True).check()
    page.get_by_role("button", name="Run", exact=True).click()
    for mode in modes:
        page.get_by_role("listitem", name=f"shapes.strata, {mode}").get_by_text(" ms").wait_for()


def open_session(page: Page, mode: str) -> None:
    page.get_by_role("link", name=f"Step shapes.strata, {mode}").click()
    page.get_by_role("heading", name="Before the first layer").wait_for()


def layers(page: Page) -> Locator:
    """The graph, or the table in its place."""
    return page.get_by_role("region", name="Layers", exact=True)


def test_sign_up_upload_run_step_edit_run_again_and_undo(browser: Browser, console: Served, files: list[Path]) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "journey")
        assert serious_findings(page) == []
        upload(page, files)
        size = page.get_by_role("row", name="shapes.jpg").get_by_text("kB")
        expect(size).to_have_attribute("title", f"{len(PICTURE)} bytes")
        assert serious_findings(page) == []
        run(page, "float", "int8")
        card = page.get_by_role("listitem", name="shapes.strata, int8")
        expect(card.locator(".box").first).to_be_visible()
        assert serious_findings(page) == []

        open_session(page, "int8")
        page.keyboard.press("n")
        page.get_by_role("heading", name=FIRST).wait_for()
        page.get_by_role("img", name=f"Feature maps of {FIRST}").wait_for()
        page.get_by_role("img", name=f"Value of {FIRST}").wait_for()
        assert serious_findings(page) == []

        cell = page.get_by_label("weights at 0, 0, 0, 0")
        before = cell.input_value()
        cell.fill("9")
        cell.press("Enter")
        expect(page.get_by_role("status").filter(has_text="The edit changed")).to_be_visible()
        expect(page.get_by_label("weights at 0, 0, 0, 0")).to_have_value("9")
        page.get_by_role("button", name="Run again").click()
        page.get_by_role("heading", name="As edited now").wait_for()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_label("weights at 0, 0, 0, 0")).to_have_value(before)
        expect(page.get_by_role("heading", name="As edited now")).to_have_count(0)
        expect(page.get_by_role("status").filter(has_text="The edit changed")).to_have_count(0)
        assert serious_findings(page) == []

        page.get_by_role("button", name="Share").click()
        page.get_by_role("button", name="Make a link").click()
        link = page.get_by_label("The link, shown this once").input_value()
        assert f"Feature maps of {FIRST}" in httpx.get(link).text
        assert serious_findings(page) == []
        page.get_by_role("button", name=f"Revoke the link to {FIRST}").click()
        expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
        assert httpx.get(link).json()["kind"] == "ArtifactNotFound"


def test_a_cross_leads_to_the_layer_that_loses_most(browser: Browser, console: Served, files: list[Path]) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "crosser")
        upload(page, files)
        run(page, "int8")
        open_session(page, "int8")
        page.get_by_role("link", name="Cross").click()
        page.get_by_role("button", name="Cross").click()
        expect(page.get_by_role("status")).to_have_text(re.compile("^(Diffuse|One bad layer)"), timeout=60_000)
        assert serious_findings(page) == []
        page.get_by_role("button", name="Share of the error").click()
        worst = (
            page.get_by_role("region", name="The layers", exact=True).get_by_role("row").nth(1).get_by_role("button")
        )
        name = worst.inner_text()
        worst.click()
        page.get_by_role("heading", name=name, exact=True).wait_for()
        layers(page).get_by_role("button", name=FIRST).click()
        page.get_by_role("heading", name=FIRST, exact=True).wait_for()

        page.get_by_role("link", name="Cross").click()
        page.get_by_role("combobox", name="Float against").select_option("hybrid")
        page.get_by_role("button", name="Cross").click()
        page.get_by_role("heading", name="Float against hybrid").wait_for()
        saved = page.get_by_role("link", name="Save as HTML")
        expect(saved).to_have_attribute("href", re.compile("mode=hybrid$"))
        page.get_by_role("link", name="Model", exact=True).click()
        page.go_back()  # what was crossed is still there, and so is what it was crossed with
        expect(saved).to_have_attribute("href", re.compile("mode=hybrid$"))
        expect(page.get_by_role("combobox", name="Float against")).to_have_value("hybrid")


def test_a_model_is_coloured_by_what_was_measured_and_a_layers_card_leads_to_its_step(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "modeller")
        upload(page, files)
        run(page, "int8")
        page.get_by_role("link", name="Model of shapes.strata").click()
        first = layers(page).get_by_role("button", name=FIRST)
        first.wait_for()
        assert page.evaluate("performance.getEntriesByName('layout').length") == 1
        assert serious_findings(page) == []
        page.get_by_role("button", name="error", exact=True).click()
        page.get_by_role("button", name="Measure errors").click()
        expect(page.get_by_role("list", name="Colours")).to_be_visible(timeout=60_000)
        expect(first).to_have_text(re.compile(r"dB|exact"))
        page.get_by_role("group", name="Graph of the layers").press("ArrowDown")
        page.get_by_role("group", name="Graph of the layers").press("ArrowDown")
        card = page.get_by_role("region", name="The layer", exact=True)
        expect(card.get_by_role("heading").first).not_to_have_text("No layer is chosen")
        expect(first).not_to_have_attribute("aria-current", "step")
        page.get_by_role("button", name="table", exact=True).click()
        layers(page).get_by_role("button", name="Parameters").click()
        page.get_by_role("button", name=FIRST, exact=True).click()
        page.get_by_role("img", name=f"weights of {FIRST}").wait_for()
        assert serious_findings(page) == []
        card.get_by_role("button", name="Step to it").click()
        page.get_by_role("img", name=f"Feature maps of {FIRST}").wait_for()


def test_a_range_is_narrowed_by_its_handle_and_the_difference_is_shown(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "clipper")
        upload(page, files)
        run(page, "int8")
        open_session(page, "int8")
        page.keyboard.press("n")
        for what in (f"Feature maps of {FIRST}", f"weights of {FIRST}"):
            page.get_by_role("img", name=what).wait_for()  # what comes later moves the handle
        handle = page.get_by_role("slider", name="Highest value")
        before = float(str(handle.get_attribute("aria-valuenow")))
        box = handle.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] - 60, box["y"] + 40, steps=3)
        page.mouse.up()
        expect(page.get_by_role("status").filter(has_text="The edit changed")).to_be_visible()
        expect(handle).not_to_have_attribute("aria-valuenow", str(before))
        assert float(str(handle.get_attribute("aria-valuenow"))) < before
        page.get_by_role("button", name="change by the last edit").click()
        page.get_by_role("img", name=f"Where {FIRST} differs").wait_for()
        assert serious_findings(page) == []
        page.get_by_role("button", name="Keep as files").click()
        page.get_by_label("Folder/name").fill("variants/narrow")
        page.get_by_role("button", name="Keep", exact=True).click()
        expect(page.get_by_text("Kept variants/narrow.strata and variants/narrow.integers")).to_be_visible()


def test_runs_stand_side_by_side_and_move_together(browser: Browser, console: Served, files: list[Path]) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "comparer")
        upload(page, files)
        run(page, "float", "int8")
        for mode in ("float", "int8"):
            page.get_by_label(f"compare shapes.strata, {mode}").check()
        page.get_by_role("link", name="Side by side (2)").click()
        panes = [page.get_by_role("region", name=f"shapes.strata, {mode}") for mode in ("float", "int8")]
        panes[1].get_by_role("button", name=FIRST).click()
        for pane in panes:
            pane.get_by_role("img", name=f"Feature maps of {FIRST}").wait_for()
        page.keyboard.press("n")
        for pane in panes:
            pane.get_by_role("img", name="Feature maps of maxpool_1").wait_for()
        assert serious_findings(page) == []


def test_a_model_is_calibrated_on_some_pictures_and_checked_on_others(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "quantiser")
        upload(page, files)
        run(page, "int8", "hybrid")
        page.get_by_role("link", name="Augment").click()
        page.get_by_role("heading", name="Augment").wait_for()  # the page before has a picture to choose, too
        page.get_by_role("combobox", name="Picture").select_option(label="shapes.jpg")
        expect(page.get_by_role("list", name="The five pictures").get_by_role("img")).to_have_count(5)
        assert serious_findings(page) == []
        page.get_by_role("button", name="Keep them").click()
        page.get_by_role("button", name="Keep", exact=True).click()
        expect(page.get_by_role("status").filter(has_text="Kept 5 pictures")).to_be_visible()
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("link", name="Model of shapes.strata, int8").click()
        page.get_by_role("link", name="Quantise").click()
        calibrate = page.get_by_role("button", name="Calibrate", exact=True)
        expect(calibrate).to_be_disabled()
        expect(calibrate).to_have_accessible_description("Choose a picture to calibrate on.")
        page.get_by_role("button", name="Hold every second out").click()
        calibrate.click()
        table = page.get_by_role("region", name="Algorithms by layer")
        expect(table.get_by_role("row", name=FIRST).get_by_text("✓")).to_be_visible(timeout=60_000)
        for pictures in ("calibration", "held-out"):
            page.get_by_role("button", name=f"Measure on 3 {pictures} pictures").click()
        expect(page.get_by_role("region", name="Answers by mode").get_by_role("columnheader")).to_have_count(4)
        page.get_by_role("button", name="Compare", exact=True).click()
        scales = page.get_by_role("region", name="Scales by layer")
        expect(scales.get_by_role("row", name=FIRST).get_by_role("cell").first).to_have_text(re.compile(r"\d"))
        assert serious_findings(page) == []
        with page.expect_download() as kept:
            page.get_by_role("button", name="Save as HTML").click()
        assert kept.value.suggested_filename == "quantise-shapes.strata.html"
        saved = kept.value.path().read_text()
        assert saved.count("<table>") == 5  # two sets of pictures, weights, values, scales
        assert FIRST in saved


def test_a_run_in_auto_that_cannot_be_leads_to_where_its_plan_is_measured(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address, colours="dark") as page:
        sign_up(page, "planner")
        upload(page, files)
        run(page, "int8")
        page.get_by_label("int8", exact=True).uncheck()
        page.get_by_label("auto", exact=True).check()
        page.get_by_role("button", name="Run", exact=True).click()
        card = page.get_by_role("listitem", name="shapes.strata, auto")
        expect(card.get_by_role("alert")).to_contain_text("choose these Integers")
        assert serious_findings(page) == []
        card.get_by_role("link", name="Quantise shapes.strata, int8").click()
        expect(page.get_by_label("measure the plan of auto too")).to_be_visible()


def test_every_layer_can_be_reached_by_the_keyboard_from_the_table(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address, colours="dark") as page:
        sign_up(page, "keyboard")
        upload(page, files)
        run(page, "float")
        open_session(page, "float")
        page.get_by_role("button", name="Table").press("Enter")
        layer = page.get_by_role("table").get_by_role("button").nth(2)
        name = layer.inner_text()
        layer.press("Enter")
        page.get_by_role("heading", name=name, exact=True).wait_for()
        assert serious_findings(page) == []
        table = layers(page).get_by_role("table")
        page.keyboard.press("p")
        expect(table.get_by_role("button").nth(1)).to_have_attribute("aria-current", "step")
        page.keyboard.press("e")
        expect(table.get_by_role("button").last).to_have_attribute("aria-current", "step")
        fourth_last = table.get_by_role("button").nth(-4)
        for _ in range(3):
            page.keyboard.press("p")  # faster than the session follows
        expect(fourth_last).to_have_attribute("aria-current", "step")
        name = fourth_last.inner_text()
        page.locator('[aria-live="polite"][aria-busy="false"]').wait_for()
        page.reload()
        page.get_by_role("heading", name=name, exact=True).wait_for()  # the session stands there, too


def test_two_people_at_once_see_each_others_nothing(browser: Browser, console: Served, files: list[Path]) -> None:
    with page_of(browser, console.address) as one, page_of(browser, console.address) as other:
        sign_up(one, "first-person")
        sign_up(other, "second-person")
        upload(one, files)
        run(one, "float")
        step = one.get_by_role("link", name="Step shapes.strata, float").get_attribute("href")
        other.get_by_role("link", name="Files").click()
        expect(other.get_by_text("Nothing is here yet.")).to_be_visible()
        other.get_by_role("link", name="Runs").click()
        expect(other.get_by_text("Choose a model and a picture")).to_be_visible()
        refused = other.request.get(f"/api{str(step).removesuffix('/step')}")
        assert refused.status == 404


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_is_wider_than_the_screen_and_axe_finds_nothing_serious(
    browser: Browser, console: Served, files: list[Path], size: tuple[int, int], colours: str
) -> None:
    with page_of(browser, console.address, size, colours) as page:
        page.goto("/")
        page.get_by_role("button", name="sign up").wait_for()
        assert serious_findings(page) == []
        sign_up(page, f"{colours}-{size[0]}".ljust(40, "x"))
        assert page.get_by_role("banner").bounding_box()["height"] < 100  # type: ignore[index]  # two lines
        upload(page, files)
        run(page, "int8")
        step = str(page.get_by_role("link", name="Step shapes").get_attribute("href"))
        run_ = step.split("/")[2]
        of_run = [f"/runs/{run_}/{name}" for name in ("model", "quantise")]
        for place in ["/files", "/runs", "/augment", f"/panes?run={run_}&layer={FIRST}", *of_run, step]:
            page.goto(place)
            if place.endswith("step"):
                page.get_by_role("button", name="Next").click()
                page.get_by_role("img", name=f"Feature maps of {FIRST}").wait_for()
            page.get_by_role("heading").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], place
            assert serious_findings(page) == [], place


def test_a_wrong_password_is_said_and_a_log_out_ends_the_page(browser: Browser, console: Served) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "leaver")
        page.get_by_role("button", name="Log out").click()
        page.get_by_label("Name").fill("leaver")
        page.get_by_label("Password").fill("not this one, no")
        page.get_by_role("button", name="Log in", exact=True).click()
        expect(page.get_by_role("alert")).to_have_text("no such user and password")


def test_who_is_no_longer_logged_in_comes_to_the_log_in(browser: Browser, console: Served) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "late")
        page.context.clear_cookies()
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="Log in").wait_for()


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_a_browser_that_is_led_to_what_is_gone_or_not_its_own_shows_a_page(
    browser: Browser, console: Served, colours: str
) -> None:
    context = browser.new_context(base_url=console.address, color_scheme="dark" if colours == "dark" else "light")
    page = context.new_page()  # the browser logs the status as an error
    page.goto("/api/shared/revoked")
    expect(page.get_by_text("nothing is shared at this address, or no longer")).to_be_visible()
    assert serious_findings(page) == []
    page.goto("/api/files/any/content")
    expect(page.get_by_role("heading")).to_have_text("This cannot be shown")
    page.get_by_role("link", name="To the console").click()
    page.get_by_role("heading", name="Log in").wait_for()
    context.close()


def test_a_picture_whose_name_is_taken_need_not_be_sent_again(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    context = browser.new_context(base_url=console.address, color_scheme="dark")
    page = context.new_page()  # the browser logs the refusal as an error
    sign_up(page, "repeater")
    drop = page.get_by_label("Drop a picture, or choose one")
    drop.set_input_files(files[-1])
    picture = page.get_by_role("combobox", name="Picture")
    expect(picture).not_to_have_value("")
    page.reload()
    expect(picture).to_have_value("")
    drop.set_input_files(files[-1])
    page.get_by_role("button", name="Choose the one there").click()
    expect(picture.locator("option:checked")).to_have_text("pictures/shapes.jpg")
    expect(page.get_by_text("is there already")).to_have_count(0)
    assert serious_findings(page) == []
    context.close()


def test_a_model_that_was_never_trained_is_said_to_answer_at_random(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "trier")
        upload(page, files)
        page.get_by_role("link", name="Runs").click()
        page.get_by_role("combobox", name="Model").select_option(label="yolov3-tiny")
        page.get_by_role("combobox", name="Picture").select_option(label="shapes.jpg")
        page.get_by_text("More").click()
        page.get_by_label("Weights").fill("random://0")
        page.get_by_label("Side of the input, pixels").fill("64")
        page.get_by_role("button", name="Run", exact=True).click()
        card = page.get_by_role("listitem", name="yolov3-tiny, float")
        expect(card.get_by_text("This model has random weights")).to_be_visible()
        assert serious_findings(page) == []
        page.get_by_role("link", name="Step yolov3-tiny, float").click()
        expect(page.get_by_text("This model has random weights")).to_be_visible()
        page.get_by_role("link", name="Model", exact=True).click()
        expect(page.get_by_text("This model has random weights")).to_be_visible()
        assert serious_findings(page) == []


def test_a_run_goes_when_that_is_confirmed_and_a_dialog_gives_the_focus_back(
    browser: Browser, console: Served, files: list[Path]
) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "remover")
        upload(page, files)
        run(page, "float")
        remove = page.get_by_role("button", name="Remove shapes.strata, float")
        remove.click()
        assert serious_findings(page) == []
        page.get_by_role("dialog").get_by_role("button", name="Keep").click()
        expect(remove).to_be_focused()
        remove.click()
        page.keyboard.press("Escape")
        expect(remove).to_be_focused()
        remove.click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(page.get_by_text("Choose a model and a picture")).to_be_visible()


def test_what_is_gone_of_the_page_or_the_way_to_it_is_said_in_its_place(browser: Browser, console: Served) -> None:
    part = "**/assets/augment-page*"
    context = browser.new_context(base_url=console.address)  # what is amiss here is logged as an error, too
    page = context.new_page()
    sign_up(page, "long-open")
    page.route(part, lambda route: route.abort())
    page.get_by_role("link", name="Augment").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be shown")
    page.get_by_role("link", name="Files").click()
    page.route("**/api/folders", lambda route: route.abort())
    page.get_by_role("button", name="New folder").click()
    page.get_by_label("Name", exact=True).fill("late")
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("alert")).to_have_text("the way to the console broke: try again")
    page.get_by_role("button", name="Cancel").click()
    page.unroute(part)
    page.get_by_role("link", name="Augment").click()
    page.get_by_role("button", name="Load it again").click()
    page.get_by_role("heading", name="Augment").wait_for()
    page.goto("/panes?run=gone")
    expect(page.get_by_role("alert")).to_have_text("no run 'gone' of yours")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_text("Choose a run here.")).to_be_visible()
    page.route("**/api/log-out", lambda route: route.abort())
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("alert")).to_have_text("the way to the console broke: try again")
    context.close()
