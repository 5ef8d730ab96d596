"""Weights by `pretrained://NAME`: from the cache, or said how to get."""

from pathlib import Path

import pytest
import torch

from services.edge.errors import ArtifactNotFound, InvalidDeclaration, InvalidInput, InvalidWeights
from services.workbench.opening import open_model
from services.zoo.catalog import BUILT_IN, Catalog
from services.zoo.compile import load_module
from services.zoo.efficientnet_lite import EfficientNetLite, renamed
from services.zoo.model_compile import compile_model
from services.zoo.pretrained import KNOWN, fetch_pretrained, kept_folder, read_pretrained
from services.zoo.weight_references import fetch_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nothing was fetched yet."""
    monkeypatch.setenv("STRATA_CACHE", str(tmp_path))
    return tmp_path


def test_each_model_of_the_index_is_declared_and_has_so_many_classes_and_labels() -> None:
    catalog = Catalog([BUILT_IN])
    for name, known in KNOWN.items():
        if known.file.endswith(".pth"):
            declared = catalog.model(name)
            assert declared.weights == f"pretrained://{name}"
            assert len(set(declared.label_names())) == 1000


def test_what_is_not_here_is_said_how_to_get(cache: Path) -> None:
    declared = Catalog([BUILT_IN]).model("efficientnet-lite0")
    with pytest.raises(ArtifactNotFound, match="`strata models fetch efficientnet-lite0` gets it"):
        load_module(declared)
    with pytest.raises(ArtifactNotFound, match="strata models fetch"):
        compile_model(declared, cache)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidDeclaration, match="no trained ones are called 'yolov3'; did you mean 'yolov3-tiny'"):
        fetch_pretrained("yolov3")
    with pytest.raises(InvalidDeclaration, match="did you mean 'efficientnet-lite"):
        fetch_weights("pretrained://efficientnet-lite", Path())


def test_a_changed_file_is_refused(cache: Path) -> None:
    folder = kept_folder("efficientnet-lite0")
    folder.mkdir(parents=True)
    (folder / KNOWN["efficientnet-lite0"].file).write_bytes(b"else")
    with pytest.raises(InvalidWeights, match="its content has changed"):
        read_pretrained("pretrained://efficientnet-lite0")


def test_the_workbench_takes_random_weights_where_the_trained_are_not_here_and_no_others() -> None:
    model = open_model("yolov3-tiny", Catalog([]), size=32)
    assert (model.trained, model.weights) == (False, "random://0")
    assert not open_model("efficientnet-lite0", Catalog([BUILT_IN])).trained
    with pytest.raises(InvalidInput, match="another model's"):
        open_model("yolov2-tiny", Catalog([]), "pretrained://yolov3-tiny", 32)
    with pytest.raises(ArtifactNotFound, match="strata models fetch yolov3-tiny"):
        open_model("yolov3-tiny", Catalog([]), "pretrained://yolov3-tiny", 32)


def test_names_of_the_port_become_ours() -> None:
    theirs = {
        "_conv_stem.weight": "stem.conv.weight",
        "_bn0.running_mean": "stem.norm.running_mean",
        "_blocks.0._depthwise_conv.weight": "blocks.0.depthwise.conv.weight",
        "_blocks.15._bn2.bias": "blocks.15.project.norm.bias",
        "_conv_head.weight": "head.conv.weight",
        "_fc.bias": "classifier.bias",
    }
    tensors = {name: torch.zeros(1) for name in theirs}
    assert list(renamed(tensors)) == list(theirs.values())
    assert set(theirs.values()) <= EfficientNetLite().state_dict().keys()
    assert list(renamed({"_blocks.0._se_reduce.weight": torch.zeros(1)})) == ["_blocks.0._se_reduce.weight"]
