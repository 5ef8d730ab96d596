"""Whether our verdict on an SLO is that of MLPerf LoadGen, on one service at loads around its limit."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from threading import Timer
from typing import Any, TypeAlias

import grpc

from services.bench.ensemble import EXAMPLES, MEASURE
from services.bench.loadgen import Trial, server_scenario
from services.bench.local_figures import served
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.errors import Unavailable
from services.edge.grpc_channel import open_blocking_channel
from services.loadtest import messages
from services.loadtest.answers import Target
from services.loadtest.run import Deck, ScenarioRun, deck_for, prepare, run
from services.loadtest.samples import Outcome
from services.loadtest.scenario import Phase, Request, Scenario, Slo
from services.loadtest.search import find_highest
from services.loadtest.targets import Address, open_asker, read_address
from services.loadtest.verdict import Verdict

Figures: TypeAlias = dict[str, float]

_LIMIT_MS, _SHARE = 150.0, 0.99
AROUND = (0.4, 0.55, 0.7, 0.8, 0.9, 1.15, 1.3, 1.5, 1.75, 2.0)
_FIRST_RATE = 10.0
_CONNECT_S = 30.0


def agreement(requests: int, loads: Sequence[float], tell: Callable[[str], None]) -> Iterator[Figures]:
    """Judge as many requests at each of the loads, which are multiples of the limit.

    Raises:
        Unavailable: the service does not answer, or no load was inside the limit.
        Unsupported: LoadGen is not installed.
    """
    with served([MEASURE / "quick.yaml"]) as place:
        address = read_address(f"grpc://{place}")
        limit = _highest(address, requests, tell)
        agreed = 0
        found: Figures = {}
        for number, times in enumerate(loads):
            rate = times * limit
            tell(f"verdict_agreement: {number + 1} of {len(loads)} loads, {rate:.3g} a second")
            ours = _run(address, rate, requests)
            theirs = _loadgen(address, ours, rate)
            kept = ours.judgement.verdict is Verdict.PASS
            agreed += kept == theirs.valid
            late = sum(not each.answered or each.latency_ms > _LIMIT_MS for each in ours.samples)
            found |= {
                f"verdict_agreement.load.{number}": rate,
                f"verdict_agreement.ours.{number}": float(kept),
                f"verdict_agreement.ours.{number}.late": late,
                f"verdict_agreement.loadgen.{number}": float(theirs.valid),
                f"verdict_agreement.loadgen.{number}.late": theirs.late,
            }
    yield {"verdict_agreement": agreed, "verdict_agreement.limit": limit, **found}


def _highest(address: Address, requests: int, tell: Callable[[str], None]) -> float:
    async def passes(rate: float) -> Verdict:
        tell(f"verdict_agreement: the limit, {rate:.3g} a second")
        return (await _run_once(address, rate, requests)).judgement.verdict

    found = asyncio.run(find_highest(passes, _FIRST_RATE))
    if found is None:
        raise Unavailable(f"no load was inside a p99 of {_LIMIT_MS:g} ms: this machine is too slow for the measurement")
    return found


def _run(address: Address, rate: float, requests: int) -> ScenarioRun:
    return asyncio.run(_run_once(address, rate, requests))


async def _run_once(address: Address, rate: float, requests: int) -> ScenarioRun:
    scenario = Scenario(
        about="One rate, and the p99 that LoadGen is given too.",
        phases=(Phase(seconds=requests / rate, rate=rate),),
        request=Request(pictures="fashion/pictures"),
        slo=Slo(latency_ms={f"p{100 * _SHARE:g}": _LIMIT_MS}),
        file=EXAMPLES / "bench.yaml",
    )
    async with open_asker(address) as asker:
        target, deck = await prepare(scenario, asker)
        return await run(scenario, 1.0, asker, target, deck, lambda _: None)


def _loadgen(address: Address, ours: ScenarioRun, rate: float) -> Trial:
    """Have LoadGen ask as often as we did, by the same client."""
    deck = deck_for(ours.scenario, ours.target)
    with open_blocking_channel(address.place) as channel:
        grpc.channel_ready_future(channel).result(timeout=_CONNECT_S)
        issue = _issuing(pb_grpc.EnsembleServiceStub(channel), deck, ours.scenario.request, ours.target)
        return server_scenario(issue, rate, _LIMIT_MS, _SHARE, len(ours.samples))


def _issuing(stub: Any, deck: Deck, request: Request, target: Target) -> Callable[[int, Callable[[], None]], None]:
    def issue(number: int, complete: Callable[[], None]) -> None:
        pictures = deck.deal(number)
        message = messages.predict_request(pictures, request, target)
        call = stub.Predict.future(message, timeout=request.patience_ms / 1e3)

        def done(ended: Any) -> None:
            good = ended.exception() is None
            good = good and messages.ended_by_prediction(ended.result(), target, pictures).outcome is Outcome.ANSWERED
            # LoadGen knows no errors: what is not an answer comes when it is too late to count.
            complete() if good else Timer(2 * _LIMIT_MS / 1e3, complete).start()

        call.add_done_callback(done)

    return issue
