"""What an embedded ensemble adds, over what its bare hops take: the same processes, bytes and rests, no work."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np

from services.bench.clients import BlockingFrontDoorClient
from services.bench.echo import METHOD, SERVICE, Hop, rested_s
from services.bench.ensemble import MEASURE
from services.bench.local_figures import served
from services.bench.rounds import interleave, percentile, with_spread
from services.bench.slo_loads import picture
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.edge.grpc_channel import open_blocking_channel

Figures: TypeAlias = dict[str, float]

ENSEMBLE = "sleepers"
RESTS_S = (0.1, 0.06, 0.04)
"""Of its members."""
SCORES_BYTES = 4 * 1000
"""What each of them answers."""
TENSOR_BYTES = oip.ModelInferRequest(raw_input_contents=[np.zeros((1, 3, 32, 32), np.float32).tobytes()]).ByteSize()
"""What each of them is sent."""
_ROUND = 20


def floor_ratio(rounds: int, tell: Callable[[str], None]) -> Iterator[Figures]:
    """Ask the ensemble of sleepers and bare hops in turns; what is beyond the slowest rest is overhead."""
    with served([MEASURE / "sleepers.yaml"]) as place, ExitStack() as hops:
        door = BlockingFrontDoorClient(place)
        members = tuple(hops.enter_context(running_hop(Hop(SCORES_BYTES, rest_s))) for rest_s in RESTS_S)
        echo = hops.enter_context(running_hop(Hop(answer_bytes(door), members=members, member_bytes=TENSOR_BYTES)))
        tell("floor_ratio.embedded: the ensemble of sleepers and bare hops, in turns")
        yield over_floor("floor_ratio.embedded", door, echo, rounds)


def answer_bytes(door: BlockingFrontDoorClient) -> int:
    """How large the ensemble's answer is."""
    return door.predict(ENSEMBLE, [picture(0)]).answer.ByteSize()


def over_floor(key: str, door: BlockingFrontDoorClient, echo: str, rounds: int) -> Figures:
    """What the ensemble adds to the slowest rest, over what bare hops do.

    Args:
        echo: host:port of the first hop.
    """
    encoded = picture(0)
    asked = pb.PredictRequest(ensemble=ENSEMBLE, pictures=[encoded], top_k=1).SerializeToString()
    with open_blocking_channel(echo) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/{METHOD}")
        subjects = {
            "ensemble": lambda: _p50(lambda: door.predict(ENSEMBLE, [encoded]).overhead_ms),
            "floor": lambda: _p50(lambda: _bare_ms(call, asked)),
        }
        interleave(subjects, 1)  # the first answers of a process are slower
        overhead_ms = interleave(subjects, rounds)
    return {
        key: overhead_ms["ensemble"].median / overhead_ms["floor"].median,
        **with_spread(f"{key}.overhead_ms", overhead_ms["ensemble"]),
        **with_spread(f"{key}.floor_ms", overhead_ms["floor"]),
    }


def _bare_ms(call: Callable[[bytes], bytes], asked: bytes) -> float:
    began_s = time.perf_counter()
    reply = call(asked)
    return 1e3 * (time.perf_counter() - began_s - rested_s(reply))


def _p50(measure_ms: Callable[[], float]) -> float:
    return percentile([measure_ms() for _ in range(_ROUND)], 0.5)


@contextmanager
def running_hop(hop: Hop) -> Iterator[str]:
    """Run a hop as a process; yields its address."""
    command = [sys.executable, "-m", "services.bench.echo", json.dumps(asdict(hop))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()
            process.wait(timeout=10)
