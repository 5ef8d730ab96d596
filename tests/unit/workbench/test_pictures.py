"""Pictures in: found, read, augmented, and refused by name."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from services.edge.errors import ArtifactNotFound, NotAPicture, PictureTooLarge
from services.workbench.augmentation import augment
from services.workbench.engine_model import EngineModel
from services.workbench.picture_files import labels_of, read_picture
from services.workbench.pictures import as_input, augmented
from services.zoo.manifest import InputSpec
from services.zoo.picture_files import find_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.png", "a.jpg"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_augmentation_gives_five_different_pictures_of_one_shape() -> None:
    picture = torch.randint(0, 255, (3, 40, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    five = list(augment(picture))
    assert len(five) == 5
    assert {(each.shape, each.dtype) for each in five} == {(picture.shape, picture.dtype)}
    assert torch.equal(five[0], picture)
    assert torch.equal(five[3], picture.flip(1))
    assert torch.equal(five[4], picture.flip(2))
    assert len({each.numpy().tobytes() for each in five}) == 5
    assert five[2].float().std() < picture.float().std()


def test_a_folder_per_class_names_the_classes(folder: Path, model: EngineModel) -> None:
    for place, name in (("square", "a.jpg"), ("circle", "b.png")):
        (folder / place).mkdir()
        (folder / name).rename(folder / place / name)
    paths = find_pictures([folder])
    assert [path.parent.name for path in paths] == ["circle", "square"]
    assert labels_of(model, paths) == [0, 1]
    (folder / "triangle").mkdir()
    (folder / "square" / "a.jpg").rename(folder / "triangle" / "a.jpg")
    assert labels_of(model, find_pictures([folder])) is None


def test_detector_pictures_are_letterboxed_to_the_input(folder: Path, model: EngineModel) -> None:
    x = as_input(model, read_picture(folder / "b.png"))
    assert x.shape == (1, 3, 32, 32)
    assert x[0, :, 0].eq(0.5).all()
    assert len(list(augmented(read_picture(folder / "b.png")))) == 5


def test_a_strip_too_long_for_the_model_is_refused_by_its_file(folder: Path, model: EngineModel) -> None:
    Image.new("RGB", (2000, 1)).save(folder / "strip.png")
    classifier = replace(model, input_spec=InputSpec((224, 224), 256, (0, 0, 0), (1, 1, 1), "bilinear"))
    with pytest.raises(PictureTooLarge, match=r"strip\.png: 2000 x 1"):
        as_input(classifier, read_picture(folder / "strip.png"))


def test_a_file_that_is_no_picture_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(NotAPicture, match=r"notes\.txt"):
        read_picture(folder / "notes.txt")
    with pytest.raises(ArtifactNotFound):
        read_picture(folder / "gone.png")
    Image.new("1", (10_000, 6_000)).save(folder / "huge.png")
    with pytest.raises(PictureTooLarge, match=r"huge\.png: 10000 x 6000"):
        read_picture(folder / "huge.png")
