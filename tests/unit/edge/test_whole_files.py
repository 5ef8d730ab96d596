from pathlib import Path

import pytest

from services.edge.whole_files import write_whole


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
