"""What a simulated fleet is asked: requests over time, popular ensembles and others, and how long each call takes."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import InvalidInput

MOST_REQUESTS = 5_000_000
_MODELS_DIFFER = 0.5
_CALLS_DIFFER = 0.1
"""Standard deviations of the logarithm of a model's time, and of a call's over its model's."""

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Demand:
    """Who asks how much, of how many.

    Attributes:
        models: in ensembles of `members` each, which share none; what is left over is not asked.
        rate: requests a second, to all ensembles.
        popularity: the exponent of Zipf's law: the k-th ensemble is asked in proportion to k**-popularity.
        service_s: a call's time on average.
    """

    models: int
    members: int
    rate: float
    seconds: float
    popularity: float
    service_s: float


@dataclass(frozen=True)
class FleetLoad:
    """Requests in the order of time: R of them, to E ensembles of M members each.

    Attributes:
        seconds: that they come in, from 0.
        at_s: [R] when each comes.
        ensemble: [R] whom it asks.
        service_s: [R, M] how long each member computes for it.
        usual_s: [E, M] how long it usually does.
        rates: [E] requests a second.
        rested_s: [E] how long before the beginning the last request came; infinite where none ever did.
    """

    seconds: float
    at_s: Floats
    ensemble: Ints
    service_s: Floats
    usual_s: Floats
    rates: Floats
    rested_s: Floats


def draw_load(demand: Demand, seed: int) -> FleetLoad:
    """Draw Poisson arrivals and lognormal times; the same seed gives the same.

    Raises:
        InvalidInput: fewer models than one ensemble has members, no requests, or more than can be simulated.
    """
    ensembles = demand.models // demand.members
    if ensembles < 1:
        raise InvalidInput(f"{demand.models} models are fewer than the {demand.members} members of one ensemble")
    if demand.rate * demand.seconds > MOST_REQUESTS:
        raise InvalidInput(
            f"{demand.rate:g} requests a second for {demand.seconds:g} s are more than {MOST_REQUESTS:,}: "
            "simulate less time"
        )
    chance = np.random.default_rng(seed)
    weights = np.arange(1, ensembles + 1) ** -demand.popularity
    rates = demand.rate * weights / weights.sum()
    requests = chance.poisson(demand.rate * demand.seconds)
    if not requests:
        raise InvalidInput(f"{demand.rate:g} requests a second for {demand.seconds:g} s are none: simulate more time")
    at_s = np.sort(chance.uniform(0.0, demand.seconds, requests))
    ensemble = chance.choice(ensembles, requests, p=weights / weights.sum())
    usual_s = np.exp(_MODELS_DIFFER * chance.standard_normal((ensembles, demand.members)))
    usual_s *= demand.service_s * demand.rate / (rates @ usual_s.mean(axis=1))
    differ = np.exp(_CALLS_DIFFER * chance.standard_normal((requests, demand.members)) - _CALLS_DIFFER**2 / 2)
    service_s = usual_s[ensemble] * differ
    return FleetLoad(
        demand.seconds, at_s, ensemble, service_s, usual_s, rates, rested_s=chance.exponential(1.0 / rates)
    )


def from_nothing(at_s: Floats, service_s: Floats, seconds: float) -> FleetLoad:
    """Requests to one ensemble that nobody asked before."""
    nobody = np.zeros(len(at_s), np.int64)
    return FleetLoad(seconds, at_s, nobody, service_s, service_s[:1], rates=np.zeros(1), rested_s=np.full(1, np.inf))
