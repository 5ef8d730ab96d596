"""Compiling on a disk that is full: a clear error, and nothing left."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_disk import small_disk

ROOM_BYTES = 256 << 10
"""Less than the 1.1 MB of the network's weights."""
COMPILE = """
import sys
from pathlib import Path
from services.edge.errors import Unavailable
from services.zoo.compile import compile_model
from services.zoo.model_file import read_model_file

model = read_model_file(Path(sys.argv[1]))
try:
    compile_model(model, Path(sys.argv[2]), model.runtime)
except Unavailable as error:
    print(error)
"""


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime", "openvino", "auto"])
def test_compiling_on_a_full_disk_is_an_error_that_names_it_and_leaves_nothing(tmp_path: Path, runtime: str) -> None:
    file = tmp_path / "small.yaml"
    file.write_text(
        "name: small\narchitecture: mobilenet_v2\nparameters: {width_mult: 0.1}\nclasses: 10\nweights: random://0\n"
        f"input: {{size: [32, 32]}}\nruntime: {runtime}\n"
    )
    with small_disk(tmp_path, ROOM_BYTES) as disk:
        # a process of its own: what torch's writer did on a full disk ended it
        command = [sys.executable, "-W", "ignore", "-c", COMPILE, str(file), str(disk / "cache")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        assert f"{disk / 'cache'}: cannot keep compiled models here: No space left" in done.stdout
        assert "STRATA_CACHE" in done.stdout
        assert list((disk / "cache").iterdir()) == []
