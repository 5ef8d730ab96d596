"""Run a scenario against a target: describe, warm up, generate, judge."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from services.edge.errors import InvalidInput, Unavailable
from services.loadtest.answers import LabelledPicture, Target
from services.loadtest.arrivals import arrivals
from services.loadtest.generator import generate
from services.loadtest.samples import Ended, Sample
from services.loadtest.scenario import Kill, Request, Scenario, check_bounds
from services.loadtest.summary import Summary, summarise
from services.loadtest.verdict import Judgement, judge
from services.zoo.picture_files import find_pictures, read_picture_file

_START_MS = 180_000

Killer: TypeAlias = Callable[[str], Awaitable[None]]
"""Kills the process of a model; raises NotFound or Unavailable where it cannot."""


class Asker(Protocol):
    """Sends one request and checks its answer."""

    async def describe(self) -> Target: ...

    async def ask(self, pictures: Sequence[LabelledPicture], request: Request, target: Target) -> Ended: ...


@dataclass(frozen=True)
class ScenarioRun:
    """One run of a scenario, its samples in the order in which they were due.

    Attributes:
        factor: what the scenario's rates were multiplied by.
        summary: None where no request was due.
    """

    scenario: Scenario
    factor: float
    target: Target
    samples: tuple[Sample, ...]
    summary: Summary | None
    judgement: Judgement


class Deck:
    """Pictures in a fixed shuffled order, dealt round and round."""

    def __init__(self, pictures: Sequence[LabelledPicture], count: int, seed: int):
        self._pictures = random.Random(seed).sample(list(pictures), len(pictures))
        self._count = count

    def deal(self, number: int) -> list[LabelledPicture]:
        """Return the pictures of a request."""
        first = number * self._count
        return [self._pictures[n % len(self._pictures)] for n in range(first, first + self._count)]


def load_pictures(folder: Path, labels: frozenset[str]) -> list[LabelledPicture]:
    """Read all pictures below a folder; one is labelled where the folder it lies in is called as a class.

    Raises:
        ArtifactNotFound, EmptyBatch: no such folder, or none in it.
    """
    return [
        LabelledPicture(number, read_picture_file(path), path.parent.name if path.parent.name in labels else None)
        for number, path in enumerate(find_pictures([folder]))
    ]


async def prepare(scenario: Scenario, asker: Asker) -> tuple[Target, Deck]:
    """Ask the target what it is, read the pictures, and send the warm-up requests.

    Raises:
        Unavailable: the target does not answer, or has no answer to the warm-up.
        InvalidInput: the scenario promises what cannot be judged here.
    """
    target = await asker.describe()
    deck = deck_for(scenario, target)
    for number in range(scenario.request.warm_up):
        check_warm_up(number, await asker.ask(deck.deal(number), patient(scenario.request), target))
    return target, deck


def deck_for(scenario: Scenario, target: Target) -> Deck:
    """Read the pictures, and check that what is promised of their answers can be judged.

    Raises:
        InvalidInput: it cannot, or there are no pictures.
    """
    pictures = load_pictures(scenario.pictures, target.labels)
    if scenario.slo.accuracy is not None and not any(picture.label for picture in pictures):
        raise InvalidInput(
            f"{scenario.file}: slo.accuracy needs labelled pictures: no folder below {scenario.pictures} is called as "
            "a class of the target"
        )
    if scenario.slo.in_deadline is not None and deadline_ms(scenario, target) is None:
        raise InvalidInput(f"{scenario.file}: slo.in_deadline needs request.deadline_ms: the target states none")
    return Deck(pictures, scenario.request.count, scenario.seed)


def patient(request: Request) -> Request:
    """Return a request of the warm-up, which waits as long as a model may take to start."""
    return request.model_copy(update={"patience_ms": _START_MS, "deadline_ms": _START_MS})


def check_warm_up(number: int, ended: Ended) -> None:
    """Raises Unavailable where a request of the warm-up has no answer: the run would be about something else."""
    if ended.reason:
        raise Unavailable(f"warm-up request {number + 1} was {ended.outcome}: {ended.reason}")


def deadline_ms(scenario: Scenario, target: Target) -> float | None:
    """Return the deadline of each request: the scenario's, or else the target's own."""
    return scenario.request.deadline_ms or target.deadline_ms


async def run(
    scenario: Scenario,
    factor: float,
    asker: Asker,
    target: Target,
    deck: Deck,
    tell: Callable[[Sample], None],
    kill: Killer | None = None,
) -> ScenarioRun:
    """Run a prepared scenario and judge it.

    Args:
        kill: needed where the scenario kills.
    Raises:
        InvalidInput: it would be longer or larger than a run may be.
        NotFound, Unavailable: what was to be killed was not there: the run would be about something else.
    """
    check_bounds(scenario, factor)

    async def ask(number: int) -> Ended:
        return await asker.ask(deck.deal(number), scenario.request, target)

    async def break_down(planned: Kill) -> None:
        assert kill
        await asyncio.sleep(planned.at_s)
        await kill(planned.model)

    dues_s = arrivals(scenario.phases, factor, scenario.seed)
    generating = generate(dues_s, ask, tell)
    samples = (await asyncio.gather(generating, asyncio.gather(*map(break_down, scenario.kills))))[0]
    return conclude(scenario, factor, target, samples)


def conclude(scenario: Scenario, factor: float, target: Target, samples: Sequence[Sample]) -> ScenarioRun:
    """Sum up and judge the samples of a run, whatever generated them."""
    ordered = tuple(sorted(samples, key=lambda sample: sample.due_s))
    return ScenarioRun(
        scenario,
        factor,
        target,
        ordered,
        summarise(ordered, scenario.seconds) if ordered else None,
        judge(ordered, scenario.slo, deadline_ms(scenario, target)),
    )
