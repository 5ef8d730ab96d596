"""Models by name, with weights from wherever a user says; and what does not fit is refused by name."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from quant.precision import Mode
from services.edge.errors import (
    ArtifactNotFound,
    InvalidDeclaration,
    InvalidInput,
    InvalidWeights,
    ModelNotFound,
    StrataError,
)
from services.workbench import opening
from services.workbench.engines import engine_of
from services.workbench.opening import import_darknet, known_names, open_model
from services.zoo.architectures import build
from services.zoo.catalog import BUILT_IN, Catalog
from services.zoo.darknet import networks
from services.zoo.darknet.cfg import parse_cfg, write_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.structure import Convolutional, Network
from services.zoo.darknet.weights import ConvolutionWeights, Normalization, Weights, WeightsHeader, write_weights
from services.zoo.integers import Integers

SMALL = "classes: 3\ninput: {size: [32, 32]}\n"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A plain model, and one that is a whole program for any number of pictures."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    module = build("squeezenet1_1", 3).eval()
    save_file(module.state_dict(), folder / "plain.safetensors")
    (folder / "plain.yaml").write_text(
        f"name: plain\narchitecture: squeezenet1_1\nweights: file://plain.safetensors\n{SMALL}labels: [a, b, c]\n"
    )
    pictures = torch.zeros(2, 3, 32, 32)
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (pictures,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "program.pt2")
    (folder / "program.yaml").write_text("name: program\nweights: file://program.pt2\ninput: {size: [32, 32]}\n")
    (folder / "theirs.yaml").write_text(
        f"name: theirs\narchitecture: squeezenet1_1\nweights: torchvision://NONE\n{SMALL}"
    )
    return Catalog([folder])


def test_models_that_are_opened_at_once_are_those_opened_one_by_one(catalog: Catalog) -> None:
    """Torch's exporter patches what all threads share, and two of them would end each other."""
    names = ("plain", "program", "plain", "program")
    alone = {name: open_model(name, catalog).digest for name in names}
    with ThreadPoolExecutor(len(names)) as pool:
        together = list(pool.map(lambda name: open_model(name, catalog).digest, names))
    assert together == [alone[name] for name in names]


def test_a_program_of_the_catalog_opens_to_the_plain_models_answers(catalog: Catalog) -> None:
    program, plain = (open_model(name, catalog) for name in ("program", "plain"))
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found, expected = (
        next(iter(engine_of(model, Mode.FLOAT, Integers()).run(x).values())) for model in (program, plain)
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (plain.labels, plain.trained, plain.classes) == (("a", "b", "c"), True, 3)


class Maps(nn.Module):
    """Gives [N, 4, 8, 8] in as many outputs as it is asked for."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self._outputs = outputs

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        maps = [self.conv(x).relu() for _ in range(self._outputs)]
        return maps if len(maps) > 1 else maps[0]


@pytest.mark.parametrize(
    ("module", "more", "error", "message"),
    [
        (Maps(2), "", InvalidDeclaration, r"answers float32 \[1, 4, 8, 8\], float32 \[1, 4, 8, 8\]; expected"),
        (Maps(1), "", InvalidDeclaration, r"answers \[N, 4, 8, 8\], expected scores"),
        (nn.Sequential(Maps(1), nn.Flatten()), "labels: [a, b]\n", InvalidDeclaration, "256 classes and 2 labels"),
        (nn.Sequential(Maps(1), nn.Flatten()), "input: {size: [9, 9]}\n", InvalidDeclaration, r"takes \[N, 3, 8, 8\]"),
    ],
)
def test_a_program_that_is_no_classifier_is_refused(
    module: nn.Module, more: str, error: type[StrataError], message: str, tmp_path: Path
) -> None:
    torch.export.save(torch.export.export(module.eval(), (torch.zeros(1, 3, 8, 8),)), tmp_path / "own.pt2")
    size = "" if "size" in more else "input: {size: [8, 8]}\n"
    (tmp_path / "own.yaml").write_text(f"name: own\nweights: file://own.pt2\n{size}{more}")
    with pytest.raises(error, match=message):
        open_model("own", Catalog([tmp_path]))


def test_torchvisions_weights_are_not_fetched_unasked(catalog: Catalog) -> None:
    model = open_model("theirs", catalog)
    assert (model.weights, model.trained) == ("random://0", False)


@pytest.mark.parametrize("name", ["plain", "yolov3-tiny"])
def test_a_users_file_is_found_from_the_working_directory(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactNotFound, match=str(tmp_path) if name == "plain" else "own"):
        open_model(name, catalog, "file://own", 32 if name == "yolov3-tiny" else None)
    if name == "plain":
        save_file(build("squeezenet1_1", 3).state_dict(), tmp_path / "own")
        model = open_model(name, catalog, "file://own")
    else:
        network = read_network(parse_cfg(write_cfg(networks.describe(name, size=32)), name))
        with (tmp_path / "own").open("wb") as stream:
            write_weights(stream, network, random_weights(network, 7))
        model = open_model(name, catalog, "file://own", 32)
        assert model.digest == open_model(name, catalog, "random://7", 32).digest
    assert (model.weights, model.trained) == ("file://own", True)


def test_darknet_weights_come_from_the_object_store_too(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(reference: str, folder: Path) -> bytes:
        asked.append(reference)
        return b"12 bytes long, or a few more"

    monkeypatch.setattr(opening, "fetch", fetch)
    with pytest.raises(InvalidWeights, match=r"s3://bucket/tiny\.weights: too short"):
        open_model("yolov3-tiny", catalog, "s3://bucket/tiny.weights", 32)
    assert asked == ["s3://bucket/tiny.weights"]


@pytest.mark.parametrize(
    ("name", "weights", "error", "words"),
    [
        ("plain", "my.safetensors", InvalidInput, "write file://my.safetensors"),
        ("yolov3-tiny", "my.weights", InvalidInput, "write file://my.weights"),
        ("plain", "http://host/w", InvalidInput, "s3://"),
        ("plain", "file://x.onnx", InvalidInput, "whole program"),
        ("plain", "file://x.pt2", InvalidInput, "whole program"),
        ("program", "file://x.safetensors", InvalidInput, "architecture"),
        ("yolov3-tiny", "torchvision://IMAGENET1K_V1", InvalidInput, "'yolov3-tiny'"),
        ("plain", "random://²", InvalidDeclaration, "whole number"),
        ("yolov3-tiny", "random://²", InvalidDeclaration, "whole number"),
        ("yolov3-tiny", f"random://{10**30}", InvalidDeclaration, "whole number"),
        ("plain", f"random://{10**30}", InvalidDeclaration, "whole number"),
        ("yolov9", None, ModelNotFound, "yolov3-tiny"),
    ],
)
def test_weights_that_cannot_be_a_models_are_refused_by_name(
    catalog: Catalog, name: str, weights: str | None, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        open_model(name, catalog, weights)


def test_a_name_that_is_no_models_is_said_so_whatever_size_is_asked_for(catalog: Catalog) -> None:
    with pytest.raises(ModelNotFound, match="no model 'yolov9'"):
        open_model("yolov9", catalog, size=64)
    with pytest.raises(InvalidInput, match="a size is for Darknet networks; 'plain'"):
        open_model("plain", catalog, size=64)


def test_every_network_of_the_papers_can_be_named() -> None:
    names = known_names(Catalog([BUILT_IN]))
    assert {"resnet-18", "resnet-50", "vgg-16", "alexnet", "yolov2", "yolov3", "darknet19"} <= set(names)


DARKNETS_WORDS = {
    "motorcycle": "motorbike",
    "airplane": "aeroplane",
    "couch": "sofa",
    "potted plant": "pottedplant",
    "dining table": "diningtable",
    "tv": "tvmonitor",
}


@pytest.fixture
def unweighted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks by name are as they are but for their weights, which are zero: to draw millions takes seconds."""

    def zeros(network: Network, seed: int) -> Weights:
        convolutions = {}
        for layer in network.layers:
            if isinstance(layer.operation, Convolutional):
                vector = np.zeros(layer.operation.filters, np.float32)
                norm = Normalization(vector, vector, vector) if layer.operation.batch_normalize else None
                weights = np.zeros(layer.operation.weight_shape, np.float32)
                convolutions[layer.index] = ConvolutionWeights(vector, norm, weights)
        return Weights(WeightsHeader(), convolutions)

    monkeypatch.setattr(opening, "random_weights", zeros)


DETECTORS = [name for name in networks.NAMES if name != "darknet19"]


@pytest.mark.usefixtures("unweighted")
@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_by_name_calls_its_classes_as_coco_does(catalog: Catalog, name: str) -> None:
    model = open_model(name, catalog, "random://0", size=32)
    categories = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    wanted = [DARKNETS_WORDS.get(each, each) for each in categories if each not in ("__background__", "N/A")]
    assert model.labels == tuple(wanted)
    assert len(model.labels) == model.classes


@pytest.mark.usefixtures("unweighted")
def test_a_network_of_other_classes_has_numbers_for_names(catalog: Catalog) -> None:
    model = open_model("darknet19", catalog, size=32)
    assert (model.labels, model.classes) == ((), 1000)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_a_cfg_whose_pictures_are_not_three_channels_is_refused_before_anything_is_made(
    tmp_path: Path, channels: int
) -> None:
    cfg = tmp_path / "grey.cfg"
    cfg.write_text(f"[net]\nwidth=8\nheight=8\nchannels={channels}\n[convolutional]\nfilters=2\n[avgpool]\n[softmax]\n")
    network = read_network(parse_cfg(cfg.read_text()))
    with (tmp_path / "grey.weights").open("wb") as stream:
        write_weights(stream, network, random_weights(network, 7))
    with pytest.raises(InvalidDeclaration, match=rf"grey\.cfg, \[net\] channels: {channels} is not supported"):
        import_darknet(cfg, tmp_path / "grey.weights")
