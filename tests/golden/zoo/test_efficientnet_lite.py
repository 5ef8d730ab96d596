"""EfficientNet-Lite against the port that its trained weights come with, and on a photograph."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch

from quant.precision import Mode
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import top_classes
from services.workbench.opening import open_model
from services.workbench.pictures import as_input, decode_picture
from services.zoo.catalog import BUILT_IN, Catalog
from services.zoo.compile import load_module
from services.zoo.efficientnet_lite import EfficientNetLite, renamed
from services.zoo.integers import Integers
from services.zoo.weights import randomise
from tests.golden.pretrained_here import needs_pretrained

DOG = Path("/usr/share/darknet/data/dog.jpg")


@pytest.fixture(scope="module")
def opened() -> Callable[[int], EngineModel]:
    """The model with its trained weights, by number; exported once."""
    catalog = Catalog([BUILT_IN])
    return cache(lambda number: open_model(f"efficientnet-lite{number}", catalog))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", [0, 1, 2])
def test_scores_are_those_of_the_port_with_the_same_weights(number: int) -> None:
    port = pytest.importorskip("efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed")
    catalog = Catalog([BUILT_IN])
    declared = catalog.model(f"efficientnet-lite{number}")
    size = declared.input.size
    theirs = port.EfficientNet.from_name(f"efficientnet-lite{number}").eval()
    randomise(theirs, 0, (64, 64))  # weights that suit a small picture suit any
    ours = EfficientNetLite(**declared.parameters).eval()  # type: ignore[arg-type]
    ours.load_state_dict(renamed(theirs.state_dict()))
    pictures = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(number))
    with torch.inference_mode():
        found, expected = ours(pictures), theirs(pictures)
    assert 0.1 < float(expected.std()) < 100
    assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-5


@pytest.mark.parametrize("number", [pytest.param(n, marks=needs_pretrained(f"efficientnet-lite{n}")) for n in range(3)])
def test_the_trained_weights_know_a_malamute(number: int, opened: Callable[[int], EngineModel]) -> None:
    if not DOG.exists():
        pytest.skip("Debian's darknet package, which has the photograph, is not installed")
    model = opened(number)
    assert model.trained
    x = as_input(model, decode_picture(DOG.read_bytes(), DOG.name))
    best, *_ = top_classes(model, engine_of(model, Mode.FLOAT, Integers()).run(x))
    assert best.name == "malamute"


@needs_pretrained("efficientnet-lite0")
def test_folding_keeps_the_scores_of_the_trained_module(opened: Callable[[int], EngineModel]) -> None:
    model, module = opened(0), load_module(Catalog([BUILT_IN]).model("efficientnet-lite0"))
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = module(x)
        (found,) = model.graph.run(x).values()
    assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-5
