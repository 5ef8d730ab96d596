import gzip
from pathlib import Path

import pytest
import torch
from PIL import Image

from examples.fashion.augmentation import erase, flip_and_shift
from examples.fashion.dataset import Pictures, as_decoded, read_idx
from examples.fashion.evaluate import describe
from examples.fashion.export_pictures import export
from examples.fashion.train import HERE, RECIPES, model_files, predict
from services.edge.declaration import read_declaration
from services.ensemble.accuracy import AccuracyFile
from services.zoo.compile import load_module
from services.zoo.preprocessing import decode, preprocess

IDX_2_BY_3 = bytes([0, 0, 8, 2]) + (2).to_bytes(4, "big") + (3).to_bytes(4, "big") + bytes(range(6))


def test_idx_elements_come_in_file_order(tmp_path: Path) -> None:
    path = tmp_path / "elements.gz"
    path.write_bytes(gzip.compress(IDX_2_BY_3))
    assert read_idx(path).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (IDX_2_BY_3[:-1], r"5 bytes of elements, expected \[2, 3\]"),
        (b"\x00\x00\x0d" + IDX_2_BY_3[3:], "not an IDX file of bytes"),
        (b"", "not an IDX file of bytes"),
    ],
)
def test_broken_idx_files_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "elements.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_missing_data_names_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist"):
        read_idx(tmp_path / "train-images-idx3-ubyte.gz")


def test_a_moved_picture_is_a_window_of_the_padded_one_or_of_its_mirror() -> None:
    grey = torch.randint(256, (1, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moved = flip_and_shift(grey.expand(40, -1, -1, -1), 2, torch.Generator().manual_seed(1))
    windows = torch.nn.functional.pad(grey, (2, 2, 2, 2))[0, 0].unfold(0, 28, 1).unfold(1, 28, 1).reshape(25, 28, 28)
    allowed = torch.cat([windows, windows.flip(2)])
    found = [int((allowed == each).all((1, 2)).nonzero().squeeze()) for each in moved[:, 0]]
    assert len({place % 25 for place in found}) > 10
    assert {place // 25 for place in found} == {0, 1}


def test_erasing_blackens_one_square_and_leaves_the_rest() -> None:
    grey = torch.full((200, 1, 28, 28), 7, dtype=torch.uint8)
    erased = erase(grey, 0.5, torch.Generator().manual_seed(0))[:, 0]
    changed = (erased == 0).any(2).any(1)
    assert 70 < int(changed.sum()) < 130
    for picture in erased[changed]:
        rows, columns = (picture == 0).any(1), (picture == 0).any(0)
        assert torch.equal(picture == 0, rows[:, None] & columns)
        assert max(int(rows.sum()), int(columns.sum())) <= 14


def test_exported_pictures_decode_to_what_training_saw(tmp_path: Path) -> None:
    grey = torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    export(Pictures(grey, torch.tensor([1, 0, 1, 1])), ["Bag", "Coat"], 2, tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.glob("*/*"))] == [
        "Bag/00001.png",
        "Coat/00000.png",
        "Coat/00002.png",
    ]
    decoded = decode((tmp_path / "Coat" / "00002.png").read_bytes())
    assert torch.equal(decoded, as_decoded(grey[2:3])[0])


def test_every_model_file_has_a_recipe_and_fits_its_weights() -> None:
    assert model_files().keys() == RECIPES.keys()
    for model_file in model_files().values():
        load_module(model_file)
    assert sum(path.stat().st_size for path in (HERE / "models").glob("*.safetensors")) <= 10_000_000


def test_a_batch_is_scored_as_its_pictures_are_when_served() -> None:
    """Training and evaluation preprocess batches; a service preprocesses one picture at a time."""
    [first, second] = sorted((HERE / "pictures").glob("*/*.png"))[:2]
    grey = torch.stack([decode(path.read_bytes())[:1] for path in (first, second)])
    for model_file in model_files().values():
        module, spec = load_module(model_file), model_file.input.spec()
        with torch.inference_mode():
            alone = [module(preprocess(decode(path.read_bytes()), spec)[None]) for path in (first, second)]
        torch.testing.assert_close(predict(module, grey, spec), torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_most_of_the_shipped_pictures_are_recognised() -> None:
    labels = (HERE / "models" / "labels.txt").read_text().split()
    paths = sorted((HERE / "pictures").glob("*/*.png"))
    grey = torch.stack([decode(path.read_bytes())[:1] for path in paths])
    classes = torch.tensor([labels.index(path.parent.name) for path in paths])
    for model_file in model_files().values():
        found = predict(load_module(model_file), grey, model_file.input.spec()).argmax(1)
        assert float((found == classes).double().mean()) > 0.75, model_file.name


def test_shipped_pictures_are_grey_28_by_28() -> None:
    for path in (HERE / "pictures").glob("*/*.png"):
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("L", (28, 28)), path


def test_the_card_states_the_measured_accuracies() -> None:
    accuracy = read_declaration(HERE / "accuracy.json", AccuracyFile)
    assert describe(accuracy) in (HERE / "README.md").read_text()
    assert accuracy.gain.low > 0
