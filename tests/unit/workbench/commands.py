"""`strata quant` as its tests call it."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from quant import plan_choice
from services.cli.quant import app
from services.workbench import running

DETECTOR = Path(__file__).resolve().parents[3] / "examples" / "detector"


def pixels(path: Path | BytesIO) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.array(picture)


def measure_briefly(patch: pytest.MonkeyPatch) -> None:
    """Time plans and runs as few times as they may be, and not for seconds: no test looks at a time."""
    patch.setattr(plan_choice, "MEASURED_S", 0.0)
    patch.setattr(running, "_MEASURED_S", 0.0)


def quant(folder: Path, *arguments: str, script: str | None = None) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        measure_briefly(patch)
        return CliRunner().invoke(app, arguments, input=script)


def answer(folder: Path, *arguments: str) -> object:
    result = quant(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
