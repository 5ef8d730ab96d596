"""What it is worth that requests which wait together run together, with a model asked directly."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np

from services.bench.clients import BlockingModelClient
from services.bench.local_figures import started
from services.bench.rounds import interleave, percentile, ratio, with_spread
from services.edge.progress import Progress
from services.zoo.cache_folder import default_cache
from services.zoo.manifest import FILE_NAME, Batching, Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile

Figures: TypeAlias = dict[str, float]

MODELS = ("alexnet", "resnet18", "resnet50", "vgg16", "mobilenet_v2", "efficientnet_b0", "nasnet_a_mobile")
"""At full size, with random weights; the first is the one that has a bar of its own."""
_AT_A_TIME = 8


def batching(models: Sequence[str], requests: int, rounds: int, progress: Progress) -> Iterator[Figures]:
    """Ask each model with batching as it was chosen when it was compiled, and without, in turns.

    Args:
        models: architectures, of `MODELS`.
        requests: of each round, of one picture each.
    """
    gains: list[float] = []
    for number, architecture in enumerate(models, 1):
        name = architecture.replace("_", "-")
        progress(f"batching: {name}, {number} of {len(models)} models")
        file = ModelFile(name=name, architecture=architecture, weights="random://0", folder=Path("/"))
        compiled = compile_model(file, default_cache(os.environ), report=progress)
        with TemporaryDirectory() as scratch, ExitStack() as services:
            without = _without_batching(compiled, Path(scratch) / "without")
            clients = {
                way: services.enter_context(started(folder))
                for way, folder in (("with", compiled), ("without", without))
            }
            progress(f"batching: {name}, {_AT_A_TIME} at a time")
            took_s = interleave(
                {way: partial(_closed_loop_s, each, name, requests) for way, each in clients.items()}, rounds
            )
            gain = ratio(took_s["without"], took_s["with"])
            gains.append(gain.median)
            figures = {
                **with_spread(f"batching.throughput.{name}", gain),
                f"batching.per_second.{name}": requests / took_s["with"].median,
                f"batching.largest.{name}": Manifest.read(compiled).batching.largest,
            }
            if architecture == MODELS[0]:
                progress(f"batching: {name}, one at a time")
                p50_ms = interleave(
                    {way: partial(_p50_ms, each, name, requests) for way, each in clients.items()}, rounds
                )
                figures["batching.throughput"] = gain.median
                figures["batching.added_ms"] = p50_ms["with"].median - p50_ms["without"].median
        yield figures
    yield {"batching.throughput.worst": min(gains)}


def _without_batching(compiled: Path, folder: Path) -> Path:
    """The same compiled model, with its requests one by one; its weights are not copied."""
    folder.mkdir()
    for path in compiled.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / FILE_NAME).unlink()
    replace(Manifest.read(compiled), batching=Batching()).write(folder)
    return folder


def _closed_loop_s(client: BlockingModelClient, model: str, requests: int) -> float:
    """How long so many requests take, `_AT_A_TIME` of them under way at any time."""
    image = _image()
    with ThreadPoolExecutor(_AT_A_TIME) as users:
        began_s = time.perf_counter()
        for _ in users.map(lambda _: client.infer(model, image), range(requests)):
            pass
        return time.perf_counter() - began_s


def _p50_ms(client: BlockingModelClient, model: str, requests: int) -> float:
    image = _image()
    return percentile([client.infer(model, image)[0] for _ in range(requests)], 0.5)


def _image() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    return np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
