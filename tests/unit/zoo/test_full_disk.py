"""Compiling on a disk that is full: a clear error, and nothing left."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from services.zoo.writers import export, write_torch
from tests.small_disk import small_disk

ROOM_BYTES = 256 << 10
"""Less than the 0.5 MB of the network's weights."""
RUNTIMES = ["torch", "onnxruntime", "openvino", "auto"]
COMPILE = """
import sys
from pathlib import Path
from services.edge.errors import Unavailable
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file

model = read_model_file(Path(sys.argv[1]))
for runtime in sys.argv[3:]:
    try:
        compile_model(model, Path(sys.argv[2]) / runtime, runtime)
    except Unavailable as error:
        print(error, flush=True)
"""


@dataclass(frozen=True)
class Tried:
    """What was said of each runtime, and what is left of its cache; the disk is gone by now."""

    process: "subprocess.CompletedProcess[str]"
    disk: Path
    left: Mapping[str, list[Path]]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """Compiled in a process of its own: what torch's writer did on a full disk ended it."""
    folder = tmp_path_factory.mktemp("full")
    file = folder / "small.yaml"
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 512), nn.ReLU(), nn.Linear(512, 64))
    write_torch(export(network.eval(), np.zeros((2, 3, 8, 8), np.float32)), folder / "small.pt2")
    file.write_text("name: small\nweights: file://small.pt2\ninput: {size: [8, 8]}\n")
    with small_disk(folder, ROOM_BYTES) as disk:
        command = [sys.executable, "-W", "ignore", "-c", COMPILE, str(file), str(disk), *RUNTIMES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        left = {runtime: list((disk / runtime).iterdir()) for runtime in RUNTIMES if (disk / runtime).exists()}
    return Tried(done, disk, left)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_compiling_on_a_full_disk_is_an_error_that_names_it_and_leaves_nothing(runtime: str, tried: Tried) -> None:
    assert tried.process.returncode == 0, tried.process.stderr
    (said,) = [line for line in tried.process.stdout.splitlines() if f"{tried.disk / runtime}: " in line]
    assert "cannot keep compiled models here: No space left" in said
    assert "STRATA_CACHE" in said
    assert tried.left[runtime] == []
