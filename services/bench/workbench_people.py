"""Several people on one workbench at once, and a session whose process was killed."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeAlias

import torch

from quant.edits import EditBias
from quant.precision import Mode
from services.bench.own_process import Tell
from services.bench.rounds import percentile
from services.bench.workbench_place import memory_mb, workbench_process
from services.bench.workbench_subject import WorkbenchSubject
from services.workbench.client import RemoteSession, RemoteWorkbench
from services.workbench.layer_card import TensorPart

Figures: TypeAlias = dict[str, float]
_EVERY_S = 1.0
_AT_MOST_MS, _AT_MOST_MB = 500.0, 200.0
_TOGETHER_S = 120.0
"""Within which all have to be ready to begin."""


class _Walk(NamedTuple):
    """What one person saw: times from when each step was due, and how often something was not his own."""

    times_ms: list[float]
    foreign: int


def people(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Let more and more people step the model at once, one step a second each, until the machine does not take more."""
    held = 0
    for count in subject.effort.people:
        tell(f"users: {count} at once")
        figures = _together(subject, count)
        fits = figures["p95_ms"] <= _AT_MOST_MS and figures["session_mb"] <= _AT_MOST_MB and not figures["cross_talk"]
        held = count if fits else held
        found = {f"users.{name}": value for name, value in figures.items()} if fits or not held else {}
        yield {"users": float(held), **found, **{f"users.{name}.{count}": value for name, value in figures.items()}}
        if not fits:
            return


def _together(subject: WorkbenchSubject, count: int) -> Figures:
    steps = subject.effort.walk
    with ExitStack() as stack:
        store = Path(stack.enter_context(TemporaryDirectory()))
        process = stack.enter_context(workbench_process(store))
        benches = [stack.enter_context(RemoteWorkbench(process.address)) for _ in range(count + 1)]
        # The shared weights, and what serving holds anyhow, belong to the first.
        _walk(_opened(benches[0], subject), 0, steps, threading.Barrier(1), 0.0)
        before_mb = memory_mb(process.pid)
        sessions = [_opened(bench, subject) for bench in benches[1:]]
        begin = threading.Barrier(count, timeout=_TOGETHER_S)
        with ThreadPoolExecutor(count) as pool:
            walks = list(
                pool.map(lambda one: _walk(one[1], one[0], steps, begin, _EVERY_S), enumerate(sessions, start=1))
            )
        after_mb = memory_mb(process.pid)
    times_ms = [each for walk in walks for each in walk.times_ms]
    return {
        "p95_ms": percentile(times_ms, 0.95),
        "p50_ms": percentile(times_ms, 0.5),
        "cross_talk": float(sum(walk.foreign for walk in walks)),
        "session_mb": (after_mb - before_mb) / count,
    }


def _opened(bench: RemoteWorkbench, subject: WorkbenchSubject) -> RemoteSession:
    return bench.open(subject.model, None, subject.encoded, Mode.FLOAT)


def _walk(session: RemoteSession, number: int, steps: int, begin: threading.Barrier, every_s: float) -> _Walk:
    """Step on, each step when it is due; an edit of his own says whose session this is."""
    first = session.layers[0]
    session.jump(first)
    session.edit(EditBias(first, torch.tensor([float(number)]), (0,)))
    times_ms, foreign = [], 0
    begin.wait()
    began_s = time.perf_counter() + every_s * number / max(1, begin.parties)
    for n in range(steps):
        due_s = began_s + n * every_s
        time.sleep(max(0.0, due_s - time.perf_counter()))
        visit = session.step()
        times_ms.append(1e3 * (time.perf_counter() - (due_s if every_s else began_s)))
        own = float(session.tensor(TensorPart.BIAS, first).flatten()[0])
        foreign += visit.layer != session.layers[n + 1] or own != float(number)
    return _Walk(times_ms, foreign)


def resume(subject: WorkbenchSubject, tell: Tell) -> Iterator[Figures]:
    """Kill a workbench in mid-session, and wait for the session in another process."""
    owner = "somebody-who-comes-back"
    with TemporaryDirectory() as store:
        with workbench_process(Path(store)) as process, RemoteWorkbench(process.address, owner) as bench:
            session = _opened(bench, subject)
            layer = session.layers[len(session.layers) // 2]
            session.jump(session.layers[0])
            session.edit(EditBias(session.layers[0], torch.ones(1), (0,)))
            wanted = session.jump(layer)
            tell("resume: the process is killed")
        began_s = time.perf_counter()
        with workbench_process(Path(store)) as process, RemoteWorkbench(process.address, owner) as bench:
            found = RemoteSession(bench, session.stands).look()
            back_s = time.perf_counter() - began_s
    with TemporaryDirectory() as store:
        began_s = time.perf_counter()
        with workbench_process(Path(store)) as process, RemoteWorkbench(process.address, owner) as bench:
            _opened(bench, subject)
            load_s = time.perf_counter() - began_s
    same = float(found.layer == wanted.layer and found.statistics == wanted.statistics)
    yield {"resume_s": max(0.0, back_s - load_s), "resume_s.load": load_s, "resume_s.same": same}
