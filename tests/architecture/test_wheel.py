"""What is installed is whole: the wheel alone, away from the source."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMPORT_ALL = """
import gc, importlib, pkgutil, sys, warnings
gc.disable()  # what is imported stays: a fifth of the time went into looking for garbage in it
warnings.simplefilter("ignore")
def load(name):
    assert importlib.import_module(name).__file__.startswith(sys.argv[1]), name
    print(name)
# Locust replaces the standard library's sockets when it is imported: before others have taken them.
load("services.loadtest.locust_user")
for package in ("quant", "services"):
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        # KServe's own copy of the protocol's messages and ours cannot be in one process.
        if not found.name.endswith(("__main__", "kserve_model")):
            load(found.name)
"""


@pytest.mark.slow
def test_each_module_of_the_wheel_can_be_imported_without_the_source(tmp_path: Path) -> None:
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], cwd=ROOT, check=True)
    (wheel,) = wheels.iterdir()
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", installed, wheel], check=True)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, str(installed)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"quant.engine", "services.zoo.runtimes.openvino", "services.cli.app"} <= set(done.stdout.split())
    assert list((installed / "services" / "zoo" / "built_in").glob("*.yaml"))
