"""The ensemble's figures on this machine alone: what serving adds, what a hop costs, how fast the forward pass is."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from services.bench.clients import BlockingFrontDoorClient, BlockingModelClient
from services.bench.rounds import Spread, interleave, percentile
from services.local.running import Running, find_running
from services.zoo.cache_folder import default_cache
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile

RUNTIMES = ("torch", "onnxruntime", "openvino")
_PASSES = 10

Images: TypeAlias = NDArray[np.float32]


def large_picture() -> bytes:
    """Make an encoded 224x224 picture of noise: nothing in it compresses, so sizes are not flattered."""
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@contextmanager
def served(ensembles: Sequence[Path]) -> Iterator[str]:
    """Serve ensemble files as `strata serve start` does; yields the gRPC address."""
    with running_service(ensembles) as running:
        yield running.grpc_address


@contextmanager
def running_service(ensembles: Sequence[Path]) -> Iterator[Running]:
    """The same; yields the note that the service leaves about itself."""
    with TemporaryDirectory() as state:
        environment = {**os.environ, "STRATA_STATE": state}
        command = [sys.executable, "-m", "services.cli", "serve"]
        ports = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
        subprocess.run(
            [*command, "start", *map(str, ensembles), *ports], env=environment, check=True, stdout=sys.stderr
        )
        try:
            running = find_running(Path(state))
            assert running
            yield running
        finally:
            subprocess.run([*command, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)


def overhead_ms(address: str, ensemble: str, encoded: bytes, requests: int) -> list[float]:
    """Latency of an ensemble of sleepers over its slowest member's own time, per request."""
    door = BlockingFrontDoorClient(address)
    for _ in range(5):
        door.predict(ensemble, [encoded])
    return [door.predict(ensemble, [encoded]).overhead_ms for _ in range(requests)]


@contextmanager
def started(compiled: Path, threads: int = 1) -> Iterator[BlockingModelClient]:
    """Run a compiled model's service as a child process; yields a client of it."""
    environment = {**os.environ, "MODEL_COMPILED": str(compiled), "MODEL_THREADS": str(threads)}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.model"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        yield BlockingModelClient(f"127.0.0.1:{json.loads(process.stdout.readline())['grpc_port']}")
    finally:
        process.terminate()
        process.wait(timeout=60)


def hop_ms(client: BlockingModelClient, model: str, requests: int) -> float:
    """p50 of what the way to a model costs: 1x3x224x224 float32 there, 1000 scores back, minus the forward pass."""
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    for _ in range(10):
        client.infer(model, image)
    ways = [latency_ms - compute_ms for latency_ms, compute_ms in (client.infer(model, image) for _ in range(requests))]
    return percentile(ways, 0.5)


def forward_ms(model_file: ModelFile, rounds: int) -> dict[str, Spread]:
    """Time a model's forward pass in its service and, in turns, in every runtime in this process; 1 thread, batch 1.

    Returns:
        `service` and each runtime -> ms per round, each the median of ten passes.
    """
    cache = default_cache(os.environ)
    image = np.random.default_rng(0).standard_normal((1, 3, *model_file.input.size), np.float32)
    with started(compile_model(model_file, cache)) as client:
        subjects: dict[str, Callable[[], float]] = {"service": partial(_service_ms, client, model_file.name, image)}
        for runtime in RUNTIMES:
            folder = compile_model(model_file, cache, runtime)
            forward = import_module(f"services.zoo.runtimes.{runtime}").load(folder, 1)
            subjects[runtime] = partial(_forward_ms, forward, image)
        return interleave(subjects, rounds)


def _service_ms(client: BlockingModelClient, model: str, image: Images) -> float:
    return percentile([client.infer(model, image)[1] for _ in range(_PASSES)], 0.5)


def _forward_ms(forward: Callable[[Images], Images], image: Images) -> float:
    times = []
    for _ in range(_PASSES):
        start = time.perf_counter()
        forward(image)
        times.append(1e3 * (time.perf_counter() - start))
    return percentile(times, 0.5)


def accuracy_gain(folder: Path, ensemble: Path) -> dict[str, float]:
    """Evaluate the trained ensemble on a folder of labelled pictures, as `strata ensemble evaluate` does.

    Returns:
        value, low, high: accuracy of the ensemble over its best member's, in points, with its paired 95 % interval.
    """
    command = [sys.executable, "-m", "services.cli", "ensemble", "evaluate", str(folder), "--ensemble", str(ensemble)]
    done = subprocess.run([*command, "--json", "--no-write"], check=True, stdout=subprocess.PIPE, text=True)
    gain = json.loads(done.stdout)["gain"]
    return {key: 100 * gain[key] for key in ("value", "low", "high")}
