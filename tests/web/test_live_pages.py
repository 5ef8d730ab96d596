"""The pages of ensembles and pipelines, in Chromium: they change while they are looked at."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from prometheus_client import CollectorRegistry, generate_latest

from services.artifacts.store import open_store
from services.edge.receipts import Receipt, ReceiptLine, Usage
from services.ensemble.domain import Answer, EnsembleMode, MemberAnswer, MemberState
from services.ensemble.metrics import Metrics, watch_replicas
from services.pipeline.domain import Job
from services.pipeline.job_store import JobStore
from tests.contract.console_process import Served, console_at
from tests.small_web import QuietHandler, address_of, small_web
from tests.web.browser import NARROW, chromium, needs_browser, page_of, serious_findings, sign_up

pytestmark = needs_browser
NO_WORKBENCH = 9
"""A port at which nothing listens: these pages ask no workbench."""


def outside(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do asynchronous work in another thread: Playwright has an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(work())).result()


class Door:
    """What a front door counts, and who asks it; no model runs behind it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        watch_replicas({"first": lambda: 1, "second": lambda: 0}, self.registry)

    def answer(self, latency_ms: float) -> None:
        state, receipt = MemberState.ANSWERED, Receipt((ReceiptLine("first", Usage(1, 0.5, 0.25), 0.125),))
        members = (MemberAnswer("first", state, 1.0, (), latency_ms, 1.0, False, ""),)
        self.metrics.answered(Answer("pair", EnsembleMode.PARALLEL, (), members, latency_ms, None, receipt))

    @property
    def described(self) -> bytes:
        members = [{"model": "first", "weight": 1.0}, {"model": "second", "weight": 2.0}]
        kinds = {"rule": "mean", "mode": "parallel", "deadline_ms": 200}
        return json.dumps([{"name": "pair", "members": members, **kinds}]).encode()


@pytest.fixture(scope="module")
def door() -> Door:
    return Door()


@pytest.fixture(scope="module")
def address(door: Door) -> Iterator[str]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            body = door.described if self.path == "/v1/ensembles" else generate_latest(door.registry)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    with small_web(Handler) as server:
        yield address_of(server)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    records = folder / "records"
    records.mkdir()
    for n in range(2):
        (records / f"{n}.record").touch()
    store = open_store(str(folder))
    job = Job("nightly", "alexnet", "digest", ("conv", "fc"), str(records), ())
    outside(lambda: JobStore(store, "nightly").begin(job))
    return folder


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, address: str, output: Path) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("console")
    with console_at(NO_WORKBENCH, place, CONSOLE_ENSEMBLES=address, CONSOLE_JOBS=str(output)) as served:
        yield served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_an_ensembles_members_and_latency_are_seen_as_answers_come(
    browser: Browser, console: Served, door: Door
) -> None:
    with page_of(browser, console.address) as page:
        sign_up(page, "watcher")
        page.get_by_role("link", name="Ensembles").click()
        card = page.get_by_role("region", name="pair", exact=True)
        expect(card.get_by_role("row", name="second")).to_contain_text("0")
        expect(card).to_contain_text("No answer in the last 10 s.")
        for _ in range(3):
            door.answer(15)
        expect(card).to_contain_text("3 answered")
        expect(card).to_contain_text("Of the last 10 s: 3 answers")
        expect(card).to_contain_text("0.375 USD")
        assert serious_findings(page) == []


def test_a_job_is_seen_as_its_records_are_done(browser: Browser, console: Served, output: Path) -> None:
    with page_of(browser, console.address, NARROW, "dark") as page:
        sign_up(page, "operator")
        page.goto("/pipelines")
        card = page.get_by_role("region", name="nightly", exact=True)
        expect(card).to_contain_text("0 of 2 records")
        part = {"usage": asdict(Usage(1, 1.0, 3.0)), "peak_bytes": 10_000_000, "cold": True, "seconds": 2.0}
        passage = {"record": "0.record", "pictures": 10, "failed_pictures": 0, "stages": {"conv": part, "fc": part}}
        jobs = JobStore(open_store(str(output)), "nightly")
        outside(lambda: jobs.finish("0.record", b"", passage))
        expect(card).to_contain_text("1 of 2 records, 10 pictures")
        expect(card.get_by_role("row", name="conv")).to_contain_text("10.0 MB")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
        assert serious_findings(page) == []
