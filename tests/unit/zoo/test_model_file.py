from pathlib import Path

import pytest

from services.edge.errors import InvalidDeclaration, ModelNotFound
from services.zoo.catalog import BUILT_IN, Catalog, default_catalog
from services.zoo.model_file import read_model_file, with_weights

GOOD = "name: small\narchitecture: mobilenet_v2\nweights: random://0\n"


def written(folder: Path, text: str, name: str = "model.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_defaults_are_imagenets(tmp_path: Path) -> None:
    spec = read_model_file(written(tmp_path, GOOD)).input.spec()
    assert (spec.size, spec.resize, spec.mean) == ((224, 224), 224, (0.485, 0.456, 0.406))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "architecure: x\n", "architecure: no such key; did you mean 'architecture'?"),
        (GOOD + "input: {sise: [8, 8]}\n", "input.sise: no such key; did you mean 'size'?"),
        (GOOD.replace("small", "Small Model"), "name: String should match pattern"),
        (GOOD.replace("random://0", "http://x"), "weights: 'http://x' must start with one of torchvision://"),
        (GOOD + "input: {size: [32, 32], resize: 16}\n", "input: resize 16 is below the size [32, 32]"),
        (GOOD + "input: {std: [1, 0, 1]}\n", "input: std must be above 0"),
        (GOOD + "input: {std: [.nan, 1, 1]}\n", "input.std.0: Input should be a finite number"),
        (GOOD + "runtime: tensorrt\n", "runtime"),
        ("name: small\nweights: file://x.safetensors\n", "architecture is missing"),
        (GOOD.replace("random://0", "file://x.onnx"), "leave architecture out"),
        (GOOD + "runtime: sleep\n", "runtime sleep needs architecture sleep"),
        (GOOD.replace("mobilenet_v2", "sleep"), "parameters.delay_ms of architecture sleep must be a number"),
        (GOOD.replace("mobilenet_v2", "sleep") + "parameters: {delay_ms: 1, classes: 0}\n", "parameters.classes"),
        (GOOD.replace("mobilenet_v2", "sleep") + "parameters: {delay_ms: 1, delay: 0}\n", "parameters.delay: "),
        (
            GOOD.replace("mobilenet_v2", "sleep") + "parameters: {delay_ms: 1, straggle_share: 2}\n",
            "parameters.straggle_share of architecture sleep must be a number, 0 to 1",
        ),
        ("- a\n- b\n", "expected keys and values, found list"),
        ("a: [", "not YAML"),
    ],
)
def test_a_fault_is_named_with_file_and_field(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidDeclaration) as caught:
        read_model_file(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        read_model_file(written(tmp_path, "nam: small\narchitecture: 3\n"))
    assert len(str(caught.value).splitlines()) == 4


def test_labels_are_read_from_beside_the_file(tmp_path: Path) -> None:
    written(tmp_path, "shirt\n\ncoat\n", "labels.txt")
    assert read_model_file(written(tmp_path, GOOD + "labels: labels.txt\n")).label_names() == ("shirt", "coat")
    with pytest.raises(InvalidDeclaration, match=r"missing\.txt"):
        read_model_file(written(tmp_path, GOOD + "labels: missing.txt\n")).label_names()


def test_a_model_of_sounds_takes_other_weights(tmp_path: Path) -> None:
    declared = read_model_file(written(tmp_path, GOOD + "input: {kind: sound, size: [64, 96]}\n"))
    other = with_weights(declared, "random://1")
    assert (other.weights, other.input, other.folder) == ("random://1", declared.input, tmp_path)


def test_the_built_in_catalog_has_the_papers_models() -> None:
    names = default_catalog({}).names()
    assert {"efficientnet-b0", "mobilenet-v2", "nasnet-a-mobile", "resnet-50", "alexnet"} <= set(names)


def test_a_users_model_hides_the_built_in_one(tmp_path: Path) -> None:
    written(tmp_path, GOOD.replace("small", "alexnet"))
    catalog = default_catalog({"STRATA_MODELS": str(tmp_path)})
    assert catalog.model("alexnet").architecture == "mobilenet_v2"
    assert catalog.model("resnet-50").architecture == "resnet50"


def test_the_shipped_examples_models_have_names_wherever_a_name_is_asked_for(tmp_path: Path) -> None:
    beside = tmp_path / "models"
    beside.mkdir()
    written(beside, GOOD.replace("small", "fashion-mobilenet-v2"))
    assert default_catalog({}).model("fashion-mobilenet-v2").classes is None
    assert default_catalog({}, beside=tmp_path).model("fashion-mobilenet-v2").folder == beside


def test_a_hidden_file_beside_the_models_declares_nothing(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    (tmp_path / "._x.yaml").write_bytes(b"\0\5\x16\7")
    assert Catalog([tmp_path]).names() == ["small"]


def test_an_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ModelNotFound, match="no model 'alexnt'; did you mean 'alexnet'"):
        Catalog([BUILT_IN]).model("alexnt")


def test_a_name_declared_twice_and_a_missing_folder_are_faults(tmp_path: Path) -> None:
    written(tmp_path, GOOD, "a.yaml")
    written(tmp_path, GOOD, "b.yaml")
    with pytest.raises(InvalidDeclaration, match="declared twice"):
        Catalog([tmp_path])
    with pytest.raises(InvalidDeclaration, match="no such folder"):
        Catalog([tmp_path / "nowhere"])
