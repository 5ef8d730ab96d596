"""What the shell offers as values of options and arguments, without waiting for torch."""

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from quant.algorithms import algorithm_names
from quant.calibration import BEST, Granularity
from quant.precision import Mode
from services.artifacts.precision import Encoding
from services.cli import completions
from services.cli.app import app
from services.ensemble.domain import EnsembleMode
from services.ensemble.receipt_sums import Dimension
from services.workbench.exporting import ExportForm
from services.workbench.opening import known_names
from services.zoo.catalog import default_catalog
from services.zoo.model_file import SLEEP, RuntimeName

PROGRAM = """
import os, sys
from services.cli import main
os.environ |= {"_STRATA_COMPLETE": "complete_bash", "COMP_WORDS": "strata quant run yolov3-t", "COMP_CWORD": "3"}
sys.argv = ["strata"]
try:
    main()
finally:
    print("torch" in sys.modules)
"""


def offered(*words: str) -> set[str]:
    """What Tab offers in bash for the last of the words."""
    environment = {
        "_STRATA_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["strata", *words]),
        "COMP_CWORD": str(len(words)),
    }
    return set(CliRunner().invoke(app, [], prog_name="strata", env=environment).stdout.split())


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        ("quant calibrate m p --algorithm", [BEST, *algorithm_names()]),
        ("quant calibrate m p --per", Granularity),
        ("quant run m p --mode", Mode),
        ("quant export m --mode", Mode),
        ("quant export m --format", ExportForm),
        ("pipeline plan m --runtime", ["auto", *(set(get_args(RuntimeName)) - {SLEEP})]),
        ("pipeline run m r --executor", ["embedded", "ray"]),
        ("pipeline run m r --activations", Encoding),
        ("ensemble predict p --mode", EnsembleMode),
        ("receipts --by", Dimension),
    ],
)
def test_an_option_offers_what_it_takes_and_nothing_else(words: str, choices: list[str]) -> None:
    assert offered(*words.split(), "") == set(choices)


def test_an_option_offers_what_the_word_begins() -> None:
    assert offered("quant", "calibrate", "m", "p", "--algorithm", "m") == {"minmax", "mse"}


def test_models_are_offered_by_name_and_with_the_files_that_a_verb_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("resnet.strata", "resnet.cfg", "resnet.png"):
        (tmp_path / name).touch()
    catalog = default_catalog({})
    assert set(known_names(catalog)) | {"resnet.strata"} == offered("quant", "run", "")
    assert set(catalog.names()) == offered("models", "describe", "")
    assert {"resnet.strata", "resnet.cfg", "resnet-50"} <= offered("quant", "import", "resn")


def test_a_fault_in_a_model_file_is_no_fault_of_tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_MODELS", str(tmp_path / "none"))
    assert completions.declared_model("res") == []
    assert "yolov3-tiny" in offered("quant", "run", "yolov3-t")


def test_a_completion_does_not_wait_for_torch() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout.split() == ["yolov3-tiny", "False"], done.stderr
