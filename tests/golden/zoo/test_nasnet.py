"""NASNet-A Mobile against Keras' NASNetMobile, with Keras' random weights under our names."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.zoo.nasnet import NASNetA

PARAMETERS = 5_326_716
CELLS = ("stem_1", "stem_2", *"0123", "reduce_4", *"5678", "reduce_8", "9", "10", "11", "12")
NAMES = {
    r"normal_conv_1|reduction_conv_1": "project.conv",
    r"normal_bn_1|reduction_bn_1": "project.norm",
    r"adjust_conv_projection": "adjust.conv",
    r"adjust_conv_([12])": r"adjust.conv\1",
    r"adjust_bn": "adjust.norm",
    r"separable_conv_([12])_reduction_left4": r"left5.\1",
    r"separable_conv_([12])_bn_reduction_left4": r"left5.norm\1",
    r"separable_conv_([12])_(?:normal|reduction)_([a-z]+\d)": r"\2.\1",
    r"separable_conv_([12])_bn_(?:normal|reduction)_([a-z]+\d)": r"\2.norm\1",
}
VARIABLES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "kernel": "weight",
    "bias": "bias",
}


def our_name(layer: str, variable: str) -> str:
    """Translate the name of a Keras variable."""
    if layer in ("stem_conv1", "stem_bn1"):
        return f"stem.{int(layer == 'stem_bn1')}.{VARIABLES[variable]}"
    if layer == "predictions":
        return f"classifier.{VARIABLES[variable]}"
    place, cell = re.fullmatch(r"(.+?)_(stem_\d|reduce_\d|\d+)", layer).groups()  # type: ignore[union-attr]
    pattern, new = next((pattern, new) for pattern, new in NAMES.items() if re.fullmatch(pattern, place))
    ours = re.sub(pattern, new, place)
    if variable in ("depthwise_kernel", "pointwise_kernel"):
        block, number = ours.split(".")
        return f"cells.{CELLS.index(cell)}.{block}.{variable.removesuffix('_kernel')}{number}.weight"
    return f"cells.{CELLS.index(cell)}.{ours}.{VARIABLES[variable]}"


def converted(arrays: Mapping[str, NDArray[np.float32]]) -> dict[str, Tensor]:
    """Rename, and turn [H, W, I, O] into [O, I, H, W] (depthwise: [H, W, C, 1] into [C, 1, H, W])."""
    state = {}
    for key, value in arrays.items():
        _, layer, variable = key.split("/")
        axes = {"depthwise_kernel": (2, 3, 0, 1)}.get(variable, (3, 2, 0, 1))
        ordered = value.transpose(axes) if value.ndim == 4 else value.T
        state[our_name(layer, variable)] = torch.from_numpy(np.ascontiguousarray(ordered))
    return state


@pytest.fixture(scope="module")
def keras_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Keras computed: a file for each case."""
    folder = tmp_path_factory.mktemp("keras")
    script = Path(__file__).with_name("keras_nasnet.py")
    subprocess.run([sys.executable, "-W", "ignore", script, folder], check=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", ["scores", "features"])
def test_outputs_are_those_of_keras(case: str, keras_folder: Path) -> None:
    with np.load(keras_folder / f"{case}.npz") as keras:
        state = converted({key: keras[key] for key in keras.files if key.startswith("weights/")})
        pictures = torch.from_numpy(keras["pictures"]).permute(0, 3, 1, 2)
        expected = torch.from_numpy(keras["output"])
        parameters = int(keras["parameters"])
    module = NASNetA().eval()
    missing = module.load_state_dict(state, strict=False).missing_keys
    with torch.inference_mode():
        output = module(pictures) if case == "scores" else module.features(pictures).permute(0, 2, 3, 1)
    top = 0 if case == "scores" else module.classifier.weight.numel() + module.classifier.bias.numel()
    assert [name for name in missing if "num_batches" not in name and not (top and "classifier" in name)] == []
    assert parameters == PARAMETERS - top
    assert output.shape == expected.shape
    assert 0.1 < float(expected.std()) < 10
    assert float((output - expected).abs().max()) <= 1e-4


def test_it_has_as_many_parameters_as_in_keras() -> None:
    """Keras counts the batch norms' statistics, as they are stored with the weights."""
    state = NASNetA(classes=1000).state_dict()
    assert sum(value.numel() for name, value in state.items() if "num_batches" not in name) == PARAMETERS
