"""A load test as data: how many requests come when, what each asks, what breaks meanwhile, and what is promised."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from services.edge.declaration import Declaration
from services.edge.errors import InvalidInput
from services.loadtest.confidence import requests_needed

MAX_REQUESTS = 100_000
MAX_SECONDS = 3600.0
"""What one run may send, and how long: a mistyped zero must not become a flood."""

Rate: TypeAlias = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(gt=0, lt=1)]


class Phase(Declaration):
    """A stretch of time, in s, whose rate stays, or goes in a straight line from the first to the second."""

    seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)]
    rate: Rate | tuple[Rate, Rate]

    @property
    def ends(self) -> tuple[float, float]:
        """The rate at its beginning and at its end."""
        return self.rate if isinstance(self.rate, tuple) else (self.rate, self.rate)


class Request(Declaration):
    """What every request asks.

    Attributes:
        pictures: a folder of pictures, relative to the scenario's file; in a folder for each class, as ImageNet's, they
            are labelled.
        count: pictures in one request.
        ensemble: may be empty where the target serves one.
        deadline_ms: sent along; the ensemble's own where it is left out.
        patience_ms: after this the asker hangs up.
        warm_up: requests sent one by one before the clock starts.
    """

    pictures: str
    count: Annotated[int, Field(gt=0, le=1000)] = 1
    ensemble: str = ""
    mode: Literal["parallel", "serial"] | None = None
    deadline_ms: Annotated[int, Field(gt=0, le=3_600_000)] | None = None
    patience_ms: Annotated[int, Field(gt=0, le=3_600_000)] = 30_000
    warm_up: Annotated[int, Field(ge=0, le=1000)] = 3


class Kill(Declaration):
    """A model whose process is killed without a word, so many s after the start."""

    at_s: Annotated[float, Field(ge=0, le=MAX_SECONDS)]
    model: str


def share_of(percentile: str) -> float:
    """Return the share of requests that a percentile such as p99.9 speaks of."""
    return float(percentile[1:]) / 100


class Slo(Declaration):
    """What is promised. Each is optional, one is needed.

    Attributes:
        latency_ms: percentile, such as p99, to what it may be at most; counted from when the request was due.
        in_deadline: share of all requests that are answered within their deadline.
        accuracy: share of the labelled pictures that are classified rightly.
        cost_per_1000: money for 1000 requests, in the currency of the target's receipts.
    """

    latency_ms: dict[str, Positive] = Field(default_factory=dict)
    in_deadline: Share | None = None
    accuracy: Share | None = None
    cost_per_1000: Positive | None = None

    @field_validator("latency_ms")
    @classmethod
    def _percentiles(cls, limits: dict[str, float]) -> dict[str, float]:
        for name in limits:
            # Nines without end are 100 to a float, which no number of requests proves.
            if not re.fullmatch(r"p\d{1,2}(\.\d+)?", name) or not 0 < share_of(name) < 1:
                raise ValueError(f"'{name}' is not a percentile; write p50, p99 or p99.9")
        return limits

    @model_validator(mode="after")
    def _promises(self) -> Self:
        if not self.latency_ms and self.in_deadline is None and self.accuracy is None and self.cost_per_1000 is None:
            raise ValueError("nothing is promised: state latency_ms, in_deadline, accuracy or cost_per_1000")
        return self


class Scenario(Declaration):
    """One load test.

    Attributes:
        rates: per second, or in multiples of the target's capacity, which the caller states.
        kills: what breaks meanwhile.
        seed: of the arrivals, which are Poisson's: the same seed gives the same.
    """

    about: str
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=1000)]
    rates: Literal["per_second", "of_capacity"] = "per_second"
    seed: Annotated[int, Field(ge=0)] = 0
    request: Request
    kills: tuple[Kill, ...] = ()
    slo: Slo
    file: Path

    @property
    def name(self) -> str:
        """The file's, without its ending."""
        return self.file.stem

    @property
    def pictures(self) -> Path:
        """The folder of pictures."""
        return self.file.parent / self.request.pictures

    @property
    def seconds(self) -> float:
        """How long requests come."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def peak(self) -> float:
        """The highest rate."""
        return max(max(phase.ends) for phase in self.phases)

    @property
    def expected(self) -> float:
        """How many requests there are on average, at factor 1."""
        return sum(phase.seconds * sum(phase.ends) / 2 for phase in self.phases)


def factor_of(scenario: Scenario, capacity: float | None) -> float:
    """Return what its rates are multiplied by to be requests per second.

    Args:
        capacity: requests per second that the target can answer.
    Raises:
        InvalidInput: the rates are in multiples of a capacity that is not stated, or are not and one is stated.
    """
    if scenario.rates == "of_capacity" and capacity is None:
        raise InvalidInput(
            f"the rates of '{scenario.name}' are multiples of the target's capacity: state it with --capacity, in "
            "requests per second; `strata load steady --find` measures it"
        )
    if scenario.rates == "per_second" and capacity is not None:
        raise InvalidInput(f"the rates of '{scenario.name}' are per second: leave out --capacity")
    return 1.0 if capacity is None else capacity


def check_bounds(scenario: Scenario, factor: float) -> None:
    """Raises InvalidInput where a run would be longer or larger than `MAX_SECONDS` and `MAX_REQUESTS`."""
    if fault := out_of_bounds(scenario, factor):
        raise InvalidInput(fault)


def out_of_bounds(scenario: Scenario, factor: float) -> str:
    """Say why a run would be longer, larger or smaller than one may be; empty where it is not."""
    if scenario.seconds > MAX_SECONDS:
        return f"'{scenario.name}' takes {scenario.seconds:.0f} s; at most {MAX_SECONDS:.0f} in one run"
    expected = scenario.expected * factor
    if not 1 <= expected <= MAX_REQUESTS:
        return f"'{scenario.name}' asks {expected:.1f} times; one run has 1 to {MAX_REQUESTS} requests"
    return ""


def stretched(scenario: Scenario, factor: float) -> Scenario:
    """Return a scenario that lasts long enough for its SLO to be proved, where some of its requests are late."""
    shares = [share_of(name) for name in scenario.slo.latency_ms]
    shares += [scenario.slo.in_deadline] if scenario.slo.in_deadline else []
    needed = 2 * max(requests_needed(0, share) for share in shares) if shares else 1
    expected = scenario.expected * factor
    longer = max(1.0, needed / expected) if expected else 1.0
    phases = tuple(phase.model_copy(update={"seconds": phase.seconds * longer}) for phase in scenario.phases)
    return scenario.model_copy(update={"phases": phases})
