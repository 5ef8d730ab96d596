"""One reader for every list of names, and what it says of files that are none."""

import codecs
from pathlib import Path

import pytest

from services.edge.errors import InvalidDeclaration
from services.zoo.model_file import read_model_file
from services.zoo.name_lists import classes_by_name, read_lines, read_names


def written(folder: Path, data: bytes) -> Path:
    path = folder / "labels.txt"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("text", [b"*cat\ndog\n", b"**cat\ndog", b"cat\n*dog\n", b"*cat\r\n*\r\n* dog"])
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path, text: bytes) -> None:
    """Files that are put together have one in the middle too."""
    assert read_names(written(tmp_path, text.replace(b"*", codecs.BOM_UTF8))) == ("cat", "dog")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_ends_of_lines_end_a_line(tmp_path: Path, end: str) -> None:
    names = ("a\u2028b", "c\u0085d", "e\x0bf\x0cg", "h i", "\u00a0j")
    assert read_names(written(tmp_path, end.join([f" {name}\t" for name in names] + ["", ""]).encode())) == names


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    assert read_lines(written(tmp_path, b"a\n\nb")) == ["a", "", "b"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("cat\ndog\n".encode("utf-16"), "the text is UTF-16"),
        ("cat\ndog\n".encode("utf-16-be"), "byte 0 is zero"),
        ("cat\ndog\n".encode("utf-16-le"), "byte 1 is zero"),
        ("cat\n".encode("utf-32"), "the text is UTF-32"),
        ("chaise longüe\n".encode("latin-1"), "byte 11 is not UTF-8"),
        (b"", "empty"),
        (codecs.BOM_UTF8 + b" \n\t\n", "empty"),
    ],
)
def test_what_is_no_list_in_utf_8_is_refused_by_name(tmp_path: Path, data: bytes, said: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(InvalidDeclaration, match=said) as caught:
        read_names(path)
    assert str(path) in str(caught.value)
    (tmp_path / "m.yaml").write_text("name: m\narchitecture: alexnet\nweights: random://0\nlabels: labels.txt\n")
    with pytest.raises(InvalidDeclaration, match=f"labels of model 'm'.*{said}"):
        read_model_file(tmp_path / "m.yaml").label_names()


def test_equal_names_are_two_classes_and_mean_neither(tmp_path: Path) -> None:
    names = read_names(written(tmp_path, b"crane\ndog\ncrane\n"))
    assert names == ("crane", "dog", "crane")
    assert classes_by_name(names) == {"dog": 1}
