"""What the processes put together."""

import os
import subprocess
import sys

import pytest

READ = """
import io, sys
from PIL import Image
from services.zoo.manifest import InputSpec
from services.zoo.serving import read_picture
file = io.BytesIO()
Image.new("RGB", (9, 9)).save(file, "PNG")
spec = InputSpec((4, 4), 4, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
assert read_picture(spec, file.getvalue()).shape == (3, 4, 4)
sys.exit("torch" in sys.modules)
"""
START = """
import atexit, os, runpy, sys
atexit.register(lambda: print(os.environ["OPENBLAS_NUM_THREADS"]))
runpy.run_module(sys.argv[1], run_name="__main__")  # ends soon: it has no settings
"""


def test_a_picture_is_read_without_torch() -> None:
    assert subprocess.run([sys.executable, "-c", READ]).returncode == 0


@pytest.mark.parametrize("service", ["services.stage", "services.model"])
def test_a_service_reads_pictures_on_one_thread_each(service: str) -> None:
    """By itself OpenBLAS takes one for each CPU of the machine."""
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run([sys.executable, "-c", START, service], env=environment, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
