"""An ensemble on this machine: its models as child processes behind a front door, all on loopback.

What needs torch is imported once the files and the addresses are known to be right: a fault in them is said at once.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import REGISTRY

from services.cli.local_chains import LocalMembers, compile_chain, local_members
from services.edge.address import listen, split_address
from services.edge.errors import ModelNotFound, Unavailable
from services.edge.progress import Progress
from services.edge.receipts import Allocation, Receipt
from services.edge.stop import interruptible, stop_event
from services.edge.tracing import start_tracing
from services.ensemble.chains import ChainedMembers
from services.ensemble.front_door import open_front_door
from services.ensemble.loading import load_ensembles
from services.ensemble.metrics import watch_replicas
from services.ensemble.receipt_log import ReceiptLog
from services.ensemble.served import Served
from services.ensemble.settings import Settings
from services.ensemble.usecases import Predictor
from services.local.process import LastWords
from services.local.process_status import Process
from services.local.running import Running, announce, check_state, find_running, receipts_folder, withdraw
from services.zoo.cache_folder import default_cache
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile

DRAIN_S = 10.0
"""What running requests get when the service is stopped."""
ANY = "127.0.0.1:0"


@dataclass(frozen=True)
class LocalEnsembles:
    """Ensembles whose models start on first use, or when they are woken: `wake` returns those that did not, and why.

    `running` counts the processes of a model that run now, those of its stages where it is cut.
    """

    served: Mapping[str, Served]
    predictor: Predictor
    settings: Settings
    wake: Callable[[], Awaitable[dict[str, str]]]
    running: Mapping[str, Callable[[], int]]


def compile_models(files: Mapping[str, ModelFile], progress: Progress) -> dict[str, Path]:
    """Compile models, or find them compiled; return the folder of each."""
    cache = default_cache(os.environ)
    return {name: compile_model(file, cache, file.runtime, progress) for name, file in sorted(files.items())}


@asynccontextmanager
async def local_ensembles(
    files: Sequence[Path],
    state: Path,
    idle_s: float,
    progress: Progress,
    http: str = ANY,
    grpc: str = ANY,
    accuracies: bool = True,
    ended: Callable[[str, LastWords], None] = lambda *_: None,
    cut: Sequence[str] = (),
) -> AsyncIterator[LocalEnsembles]:
    """Put ensembles together over child processes that end with this one.

    Args:
        state: folder of the models' logs.
        idle_s: a model that is not asked for that long is stopped.
        http, grpc: host:port for the front door that `serve` opens.
        accuracies: read the ensembles' measured accuracies too; see `load_ensembles`.
        ended: called with the last words of each model that ends.
        cut: models that run as their stages, a process each.
    Raises:
        Unavailable: the state folder cannot be written.
        InvalidDeclaration and whatever else is wrong with a file or with weights.
    """
    check_state(state)
    settings = Settings(
        files=tuple(files), http_address=http, grpc_address=grpc, drain_s=DRAIN_S, receipts=receipts_folder(state)
    )
    with interruptible():  # nothing is served yet, and a compilation takes minutes
        served = load_ensembles(files, os.environ, accuracies)
        from services.ensemble.graph import build_predictor

        files_of = {name: file for each in served.values() for name, file in each.model_files.items()}
        if unknown := [model for model in cut if model not in files_of]:
            raise ModelNotFound(f"--cut {unknown[0]}: no ensemble here has this model; they have {', '.join(files_of)}")
        chains = {model: compile_chain(files_of[model], None, files_of[model].runtime, progress) for model in cut}
        compiled = compile_models({name: file for name, file in files_of.items() if name not in cut}, progress)
    async with local_members(compiled, chains, state / "logs", idle_s, ended) as members:
        services = {model: chain.services for model, chain in chains.items()}
        predictor = build_predictor(served, members, settings, services)
        wake = partial(ChainedMembers(members, services).wake, sorted(files_of))
        of_model = {model: frozenset(services.get(model, (model,))) for model in files_of}
        running = {model: partial(_count, members, names) for model, names in of_model.items()}
        yield LocalEnsembles(served, predictor, settings, wake, running)


def _count(members: LocalMembers, services: frozenset[str]) -> int:
    return len(members.running() & services)


@contextmanager
def _keeping_unclaimed(folder: Path) -> Iterator[Callable[[str, LastWords], None]]:
    """Keep what models' processes spent and held after their last answers, or for no request."""
    with closing(ReceiptLog(folder)) as log:

        def keep(model: str, words: LastWords) -> None:
            allocation = Allocation(words["unclaimed_cpu_seconds"], words["unclaimed_gb_seconds"])
            log.append("", "", Receipt(), {model: allocation})

        yield keep


@contextmanager
def _naming_options() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{error}; choose another with --http (STRATA_HTTP) or --grpc (STRATA_GRPC); port 0 takes any free one"
        ) from error


async def serve(
    files: Sequence[Path], http: str, grpc: str, idle_s: float, cut: Sequence[str], state: Path, progress: Progress
) -> None:
    """Serve until SIGTERM or SIGINT; leave a note in `state` while it lasts.

    Raises:
        Unavailable: an address is taken or not ours; and what `local_ensembles` raises.
    """
    stop = stop_event()
    start_tracing("strata-ensemble", os.environ)
    with _naming_options():
        for address in (http, grpc):
            listen(*split_address(address)).close()  # now, not after minutes of compilation
    check_state(state)
    with _keeping_unclaimed(receipts_folder(state)) as keep:
        async with local_ensembles(files, state, idle_s, progress, http, grpc, ended=keep, cut=cut) as local:
            await _serve(local, http, grpc, state, progress, stop)


async def _serve(
    local: LocalEnsembles, http: str, grpc: str, state: Path, progress: Progress, stop: asyncio.Event
) -> None:
    _check_alone(state)
    watch_replicas(local.running, REGISTRY)
    with _naming_options():
        door = await open_front_door(local.predictor, local.settings)
    hosts = [address.rpartition(":")[0] for address in (http, grpc)]
    running = Running(
        pid=os.getpid(),
        began=Process.of(os.getpid()).began,
        http_address=f"{hosts[0]}:{door.http_port}",
        grpc_address=f"{hosts[1]}:{door.grpc_port}",
        ensembles=tuple(local.served),
        log=str(state / "serve.log"),
    )
    progress(f"starting the models of {', '.join(local.served)}")
    for model, fault in (await local.wake()).items():
        progress(f"{model} did not start, and is tried again when it is asked: {fault}")
    await door.set_ready(True)
    announce(state, running)
    progress(f"serving {', '.join(running.ensembles)} at http://{running.http_address}")
    try:
        await stop.wait()
    finally:
        withdraw(state, running.pid)
        await door.drain(DRAIN_S)


def _check_alone(state: Path) -> None:
    """Refuse to be the second: one note has a place in the folder, and a service without one cannot be found."""
    if other := find_running(state):
        raise Unavailable(
            f"process {other.pid} serves already with the state folder {state}; stop it with `strata serve stop`, or "
            "set STRATA_STATE to another folder"
        )


def serve_until_stopped(
    files: Sequence[Path], http: str, grpc: str, idle_s: float, cut: Sequence[str], state: Path, progress: Progress
) -> None:
    """Run `serve` in a loop of its own."""
    asyncio.run(serve(files, http, grpc, idle_s, cut, state, progress))
