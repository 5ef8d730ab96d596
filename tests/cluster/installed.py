"""The installed chart, as the tests of this folder talk of it."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray

from services.bench.cluster import INGRESS, Cluster
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.zoo.catalog import Catalog

ROOT = Path(__file__).parents[2]
RELEASE = "strata"
MEMBERS = ("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile")
TIMEOUT_S = 120


@dataclass(frozen=True)
class Install:
    """The chart, installed.

    Attributes:
        http, grpc: where the front door answers.
        ingress: base address of Knative's ingress, which finds a model by the Host header.
        values: what the chart was given.
    """

    cluster: Cluster
    http: str
    grpc: str
    ingress: str
    values: dict[str, object]

    def upgrade(self, **values: object) -> None:
        """Install with these values over the first ones, and wait until all is ready."""
        self.cluster.install(RELEASE, {**self.values, **values})

    def host(self, model: str) -> str:
        """The name Knative's ingress knows a model by."""
        return self.cluster.authority(model)


@dataclass
class Load:
    """What constant requests met: how many there were, and what went wrong."""

    answers: int = 0
    faults: list[str] = field(default_factory=list)


def ingress() -> str:
    """The base address of Knative's ingress."""
    return os.environ.get("INGRESS_URL", INGRESS)


@contextmanager
def namespace(name: str) -> Iterator[Cluster]:
    """Have `strata-e2e-NAME` to oneself; it is removed at the end, without waiting, unless STRATA_E2E_KEEP is set."""
    cluster = Cluster(f"strata-e2e-{name}", urlsplit(ingress()).netloc)
    cluster.claim()
    try:
        yield cluster
    finally:
        if not os.environ.get("STRATA_E2E_KEEP"):
            cluster.remove(wait=False)


def images() -> dict[str, str]:
    """The images that `make e2e` has built."""
    try:
        return {name: os.environ[f"STRATA_{name.upper()}_IMAGE"] for name in ("model", "ensemble", "stage")}
    except KeyError as error:
        pytest.fail(f"{error.args[0]} is not set: run these tests by `make e2e`, which builds the images")


def workbench_images() -> dict[str, str]:
    """Those, and the workbench's."""
    try:
        return {**images(), "workbench": os.environ["STRATA_WORKBENCH_IMAGE"]}
    except KeyError as error:
        pytest.fail(f"{error.args[0]} is not set: run these tests by `make e2e`, which builds the images")


def console_images() -> dict[str, str]:
    """Those, the console's, and its database's."""
    try:
        own = {name: os.environ[f"STRATA_{name.upper()}_IMAGE"] for name in ("console", "database")}
    except KeyError as error:
        pytest.fail(f"{error.args[0]} is not set: run these tests by `make e2e`, which builds the images")
    return {**workbench_images(), **own}


def pictures() -> dict[str, bytes]:
    """One shipped picture of each class, by the class's name."""
    folders = sorted((ROOT / "examples" / "fashion" / "pictures").iterdir())
    return {folder.name: next(iter(sorted(folder.glob("*.png")))).read_bytes() for folder in folders if folder.is_dir()}


def batch(model: str, count: int) -> NDArray[np.float32]:
    """Zeros [count, 3, H, W] of the size that the model's file states."""
    height, width = Catalog([ROOT / "examples" / "fashion" / "models"]).model(model).input.size
    return np.zeros((count, 3, height, width), np.float32)


def tensor_request(model: str, image: NDArray[np.float32]) -> oip.ModelInferRequest:
    """Ask `model` for the scores of `image`."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=image.shape)
    return oip.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[image.tobytes()])


def under_load(ask: Callable[[], str], change: Callable[[], None], pause_s: float = 0.1) -> Load:
    """Ask again and again, from two threads, while `change` runs; `ask` returns what went wrong, or nothing."""
    load = Load()
    ends = False

    def worker() -> None:
        while not ends:
            try:
                fault = ask()
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            load.answers += 1
            if fault:
                load.faults.append(fault)
            time.sleep(pause_s)

    with ThreadPoolExecutor(2) as pool:
        workers = [pool.submit(worker) for _ in range(2)]
        try:
            change()
        finally:
            ends = True
        for each in workers:
            each.result()
    return load
