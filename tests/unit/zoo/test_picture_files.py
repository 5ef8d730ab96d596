"""Pictures are found in folders, and taken as they are where they are named."""

import os
import threading
from pathlib import Path

import pytest

from services.edge.errors import ArtifactNotFound, EmptyBatch, InvalidInput, PictureTooLarge
from services.zoo import picture_files
from services.zoo.picture_files import find_pictures, pictures_in, read_picture_file
from tests.unit.empty_files import make


def test_pictures_are_found_at_any_depth_and_files_are_taken_as_they_are(tmp_path: Path) -> None:
    make(tmp_path, "b/2.png", "a/deep/1.JPG", "a/readme.md", "odd-name")
    found = find_pictures([tmp_path / "odd-name", tmp_path])
    assert [path.name for path in found] == ["odd-name", "1.JPG", "2.png"]


def test_a_folders_own_pictures_are_all_of_it_where_it_has_some(tmp_path: Path) -> None:
    make(
        tmp_path,
        "photos/1.png",
        "photos/glyphs/2.png",
        "photos/glyphs/small/3.png",
        "classes/a/4.png",
        "classes/b/5.png",
    )
    places = [tmp_path / "photos", tmp_path / "classes"]
    assert [path.stem for path in find_pictures(places, deep=False)] == ["1", "4", "5"]
    assert [path.stem for path in find_pictures(places)] == ["1", "2", "3", "4", "5"]


def test_a_place_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match=r"nowhere\.png: no such picture"):
        find_pictures([tmp_path / "nowhere.png"])


def test_a_folder_without_pictures_is_named_though_another_has_some(tmp_path: Path) -> None:
    make(tmp_path, "full/1.png", "empty/notes.txt")
    with pytest.raises(EmptyBatch, match="empty: no pictures here"):
        find_pictures([tmp_path / "full", tmp_path / "empty"])


def test_pipes_folders_and_hidden_files_in_a_folder_are_no_pictures(tmp_path: Path) -> None:
    make(tmp_path, "1.png", "._1.png", "sub/.2.jpg", "folder.png/3.gif")
    os.mkfifo(tmp_path / "z.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "link.png").symlink_to(tmp_path / "1.png")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere")
    assert [path.name for path in find_pictures([tmp_path])] == ["1.png", "3.gif", "link.png"]
    assert [path.name for path in pictures_in(tmp_path)] == ["1.png", "link.png"]


def test_a_pipe_that_is_named_is_read_and_a_device_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert find_pictures([pipe]) == [pipe]
    writer = threading.Thread(target=pipe.write_bytes, args=(b"abc",))
    writer.start()
    assert read_picture_file(pipe) == b"abc"
    writer.join()
    with pytest.raises(InvalidInput, match="/dev/zero: neither a file nor a folder"):
        find_pictures([Path("/dev/zero")])


def test_no_more_than_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_files, "MAX_FILE_BYTES", 10)
    (tmp_path / "a.png").write_bytes(b"x" * 10)
    assert read_picture_file(tmp_path / "a.png") == b"x" * 10
    with pytest.raises(PictureTooLarge, match="/dev/zero: more than 10 bytes"):
        read_picture_file(Path("/dev/zero"))
