"""A scenario as Locust's users know it: its options, its statistics, its web page, and our verdict at the end.

A user is a stream of Poisson arrivals at the scenario's rates, so N users are N times its load, spread over workers as
Locust spreads users. The first user's arrivals are those of `strata load`.
"""

import logging
import time
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from gevent.pool import Pool
from locust import User, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from services.edge.errors import InvalidInput, StrataError
from services.edge.whole_files import check_writable, write_whole
from services.loadtest.answers import Target
from services.loadtest.arrivals import arrivals
from services.loadtest.generator import MOST_UNDER_WAY
from services.loadtest.locust_clients import BlockingAsker, open_blocking_asker
from services.loadtest.report import html_report
from services.loadtest.run import Deck, check_warm_up, conclude, deck_for, patient
from services.loadtest.samples import Ended, Outcome, Sample
from services.loadtest.scenario import Scenario, check_bounds, factor_of
from services.loadtest.scenario_file import find_scenario
from services.loadtest.targets import Address, read_address
from services.loadtest.text import outcome_lines, promises
from services.loadtest.verdict import EXIT_CANNOT_RUN, EXIT_CODES

_log = logging.getLogger(__name__)


_GIVEN_UP = Ended(Outcome.EXPIRED, "the test was stopped before it was answered")


@dataclass
class _Test:
    """One test of this process: what all its users share.

    Attributes:
        samples: of a master, those of all its workers.
        streams: begun and ended, by the process that has them: "" is this one.
    """

    environment: Environment
    scenario: Scenario
    factor: float
    address: Address
    asker: BlockingAsker
    target: Target
    deck: Deck
    began_s: float
    samples: list[Sample] = field(default_factory=list)
    unreported: list[Sample] = field(default_factory=list)
    streams: dict[str, tuple[int, int]] = field(default_factory=dict)

    def begin_stream(self) -> int:
        """Return the stream's number."""
        begun, ended = self.streams.get("", (0, 0))
        self.streams[""] = begun + 1, ended
        return begun

    def end_stream(self) -> None:
        """The last one ends the test, if this process has all of them."""
        begun, ended = self.streams[""]
        self.streams[""] = begun, ended + 1
        if not isinstance(self.environment.runner, WorkerRunner):
            self.end_if_done()

    def end_if_done(self) -> None:
        """End the test once as many streams as there should be have begun and ended."""
        runner = self.environment.runner
        assert runner
        begun, ended = (sum(each) for each in zip(*self.streams.values(), strict=True))
        if begun == ended and begun >= runner.target_user_count:
            _end(self.environment)


_test: _Test | None = None


class ScenarioUser(User):
    """A stream of requests, each sent when it is due."""

    def on_start(self) -> None:
        """Join the test; there is none where it could not begin."""
        self._requests = Pool(MOST_UNDER_WAY)
        if _test is None:
            raise StopUser
        self._test = _test
        self._stream = _test.begin_stream()

    @task
    def stream(self) -> None:
        """Send the arrivals of one stream, wait for the last answer, and end; the last stream ends the test."""
        test, scenario = self._test, self._test.scenario
        began_s = time.perf_counter() - test.began_s
        for number, due_s in enumerate(arrivals(scenario.phases, test.factor, self._seed())):
            gevent.sleep(max(0.0, began_s + due_s - (time.perf_counter() - test.began_s)))
            self._requests.spawn(self._send, number, began_s + due_s)
        self._requests.join()
        test.end_stream()
        raise StopUser

    def on_stop(self) -> None:
        """Give up what is not answered, as Locust does with its own tasks: it counts as not answered."""
        self._requests.kill()

    def _seed(self) -> int | str:
        worker = self.environment.runner.worker_index if isinstance(self.environment.runner, WorkerRunner) else 0
        first = worker == self._stream == 0
        return self._test.scenario.seed if first else f"{self._test.scenario.seed} {worker} {self._stream}"

    def _send(self, number: int, due_s: float) -> None:
        test = self._test
        sent_s = time.perf_counter() - test.began_s
        try:
            ended = test.asker.ask(test.deck.deal(number), test.scenario.request, test.target)
        except gevent.GreenletExit:
            ended = _GIVEN_UP
        sample = Sample(due_s, sent_s, time.perf_counter() - test.began_s, ended)
        test.samples.append(sample)
        test.unreported.append(sample)
        self.environment.events.request.fire(
            request_type=test.address.scheme,
            name=test.target.ensemble,
            response_time=sample.latency_ms,
            response_length=0,
            exception=None if sample.answered else RuntimeError(f"{ended.outcome}: {ended.reason}"),
            context={},
        )


def _add_options(parser: LocustArgumentParser, **_: Any) -> None:
    ours = parser.add_argument_group("Strata", "A scenario, and where its verdict goes; --host is the target.")
    ours.add_argument("--scenario", env_var="STRATA_SCENARIO", default="short", help="A file, or a shipped one's name")
    ours.add_argument("--ensemble", default="", help="Which one, instead of the scenario's")
    ours.add_argument("--authority", default="", help="The name that an ingress at the target knows it by")
    ours.add_argument("--capacity", type=float, help="Requests a second the target answers, where rates are multiples")
    ours.add_argument("--verdict-html", default="", help="Write a page with the verdict and plots to this file")
    # Locust's page listens on every address by itself; ours listens on this machine unless more is asked for.
    parser.set_defaults(web_host="127.0.0.1")


def _begin(environment: Environment, **_: Any) -> None:
    """Find out what is asked, and warm it up; a worker or a single process asks, a master only judges."""
    global _test
    _test = None
    options: Any = environment.parsed_options
    try:
        if options.verdict_html:
            check_writable(Path(options.verdict_html))
        scenario = find_scenario(options.scenario)
        if scenario.kills:
            raise InvalidInput(f"'{scenario.name}' kills a model, which Locust does not: use `strata load`")
        factor = factor_of(scenario, options.capacity)
        check_bounds(scenario, factor)
        address = read_address(environment.host or "", options.ensemble or scenario.request.ensemble, options.authority)
        asker = open_blocking_asker(address)
        target = asker.describe()
        deck = deck_for(scenario, target)
        if not isinstance(environment.runner, MasterRunner):
            for number in range(scenario.request.warm_up):
                check_warm_up(number, asker.ask(deck.deal(number), patient(scenario.request), target))
    except StrataError as error:
        _log.error("cannot run: %s", error)
        environment.process_exit_code = EXIT_CANNOT_RUN
        _end(environment)
        return
    _test = _Test(environment, scenario, factor, address, asker, target, deck, time.perf_counter())


def _report(data: dict[str, Any], **_: Any) -> None:
    if _test:
        samples = [astuple(sample) for sample in _test.unreported]
        _test.unreported.clear()
        data["strata"] = {"streams": _test.streams.get("", (0, 0)), "samples": samples}


def _collect(client_id: str, data: dict[str, Any], **_: Any) -> None:
    if _test and "strata" in data:
        for due_s, sent_s, done_s, (outcome, *ended) in data["strata"]["samples"]:
            _test.samples.append(Sample(due_s, sent_s, done_s, Ended(Outcome(outcome), *ended)))
        _test.streams[client_id] = tuple(data["strata"]["streams"])
        _test.end_if_done()


def _judge(environment: Environment, **_: Any) -> None:
    """Print the verdict, and end with its exit code."""
    options: Any = environment.parsed_options
    if isinstance(environment.runner, WorkerRunner):
        return
    if _test is None:
        if options.headless:
            environment.process_exit_code = EXIT_CANNOT_RUN
        return
    assert environment.runner
    environment.runner.stop()  # after Ctrl-C it still runs, and what is under way has to be counted
    users = sum(begun for begun, _ in _test.streams.values())
    run = conclude(_test.scenario, _test.factor * max(1, users), _test.target, _test.samples)
    for line in (*promises(run), *outcome_lines(run)):
        print(line)
    if options.verdict_html:
        write_whole({Path(options.verdict_html): html_report(run, str(_test.address), datetime.now(UTC)).encode()})
    environment.process_exit_code = EXIT_CODES[run.judgement.verdict]


def _end(environment: Environment) -> None:
    """End the test; the process too, where no page is open."""
    runner, options = environment.runner, environment.parsed_options
    assert runner
    assert options
    if options.headless:
        gevent.spawn(runner.quit)
    else:
        gevent.spawn(runner.stop)


events.init_command_line_parser.add_listener(_add_options)
events.test_start.add_listener(_begin)
events.report_to_master.add_listener(_report)
events.worker_report.add_listener(_collect)
events.quitting.add_listener(_judge)
