"""NASNet-A Mobile against Keras' NASNetMobile, with the same random weights."""

import numpy as np
import pytest
import torch

from services.zoo.nasnet import NASNetA
from tests.golden.zoo import nasnet_vectors

PARAMETERS = 5_326_716


@pytest.fixture(scope="module")
def module() -> NASNetA:
    module = NASNetA(classes=1000).eval()
    drawn = {
        name: torch.from_numpy(nasnet_vectors.draw(name, tuple(value.shape)))
        for name, value in module.state_dict().items()
        if "num_batches" not in name
    }
    module.load_state_dict(drawn, strict=False)
    return module


@pytest.mark.parametrize("case", list(nasnet_vectors.CASES))
def test_outputs_are_those_of_keras(case: str, module: NASNetA) -> None:
    with np.load(nasnet_vectors.FILE) as keras:
        expected, parameters = torch.from_numpy(keras[f"{case}/output"]), int(keras[f"{case}/parameters"])
    pictures = torch.from_numpy(nasnet_vectors.draw_pictures(case))
    with torch.inference_mode():
        output = module(pictures) if case == "scores" else module.features(pictures).permute(0, 2, 3, 1)
    top = 0 if case == "scores" else module.classifier.weight.numel() + module.classifier.bias.numel()
    assert parameters == PARAMETERS - top
    assert output.shape == expected.shape
    assert 0.1 < float(expected.std()) < 10
    assert float((output - expected).abs().max()) <= 1e-4


def test_it_has_as_many_parameters_as_in_keras(module: NASNetA) -> None:
    """Keras counts the batch norms' statistics, as they are stored with the weights."""
    assert sum(value.numel() for name, value in module.state_dict().items() if "num_batches" not in name) == PARAMETERS
