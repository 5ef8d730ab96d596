"""`strata quant` as its tests call it."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner, Result

from services.cli.quant import app

DETECTOR = Path(__file__).resolve().parents[3] / "examples" / "detector"


def pixels(path: Path | BytesIO) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.array(picture)


def quant(folder: Path, *arguments: str, script: str | None = None) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return CliRunner().invoke(app, arguments, input=script)


def answer(folder: Path, *arguments: str) -> object:
    result = quant(folder, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
