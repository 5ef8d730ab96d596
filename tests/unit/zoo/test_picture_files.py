"""Pictures are found in folders, and taken as they are where they are named."""

from pathlib import Path

import pytest

from services.edge.errors import ArtifactNotFound, EmptyBatch
from services.zoo.picture_files import find_pictures
from tests.unit.empty_files import make


def test_pictures_are_found_at_any_depth_and_files_are_taken_as_they_are(tmp_path: Path) -> None:
    make(tmp_path, "b/2.png", "a/deep/1.JPG", "a/readme.md", "odd-name")
    found = find_pictures([tmp_path / "odd-name", tmp_path])
    assert [path.name for path in found] == ["odd-name", "1.JPG", "2.png"]


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match=r"nowhere\.png: no such picture"):
        find_pictures([tmp_path / "nowhere.png"])


def test_a_folder_without_pictures_is_named_though_another_has_some(tmp_path: Path) -> None:
    make(tmp_path, "full/1.png", "empty/notes.txt")
    with pytest.raises(EmptyBatch, match="empty: no pictures here"):
        find_pictures([tmp_path / "full", tmp_path / "empty"])
