import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.edge.whole_files import make_whole, write_whole

MAKE_AND_WAIT = """
import sys, time
from pathlib import Path
from services.edge.whole_files import make_whole

def make(folder):
    (folder / "half").write_text("half")
    print("making", flush=True)
    time.sleep(60)

make_whole(Path(sys.argv[1]), make)
"""


def test_all_files_are_written_readable_by_all(tmp_path: Path) -> None:
    write_whole({tmp_path / "a": b"1", tmp_path / "b": b"2"})
    assert {path.name: (path.read_bytes(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "a": (b"1", 0o644),
        "b": (b"2", 0o644),
    }


def test_where_one_cannot_be_written_none_is_and_the_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    missing = tmp_path / "no folder" / "b"
    with pytest.raises(OSError, match="No such file") as caught:
        write_whole({tmp_path / "a": b"after", missing: b"2"})
    assert caught.value.filename == str(missing)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"before"}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fill(folder: Path) -> None:
    (folder / "weights").write_text("all")


@contextmanager
def another_process_making(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, "-c", MAKE_AND_WAIT, str(folder)], stdout=subprocess.PIPE, text=True) as one:
        try:
            assert one.stdout
            assert one.stdout.readline() == "making\n"
            yield one
        finally:
            one.kill()


def test_what_a_killed_process_left_of_a_folder_is_removed_by_the_next(tmp_path: Path) -> None:
    with another_process_making(tmp_path / "model"):
        pass
    assert any(name.endswith("half") for name in names(tmp_path))
    make_whole(tmp_path / "another", fill)
    assert names(tmp_path) == ["another", "another/weights"]


def test_what_another_process_still_makes_is_left_alone(tmp_path: Path) -> None:
    with another_process_making(tmp_path / "model"):
        before = names(tmp_path)
        make_whole(tmp_path / "another", fill)
        assert names(tmp_path) == sorted([*before, "another", "another/weights"])


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        fill(folder)
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        make_whole(tmp_path / "model", fail)
    assert names(tmp_path) == []


def test_of_two_that_make_one_folder_the_first_stays(tmp_path: Path) -> None:
    def fill_second(folder: Path) -> None:
        make_whole(tmp_path / "model", fill)
        (folder / "weights").write_text("the second's")

    make_whole(tmp_path / "model", fill_second)
    assert (tmp_path / "model" / "weights").read_text() == "all"
    assert names(tmp_path) == ["model", "model/weights"]
