"""Which class a folder is: nothing is guessed, and the line and word that say nothing are named."""

import pytest

from services.edge.errors import InvalidDeclaration
from services.ensemble.class_mapping import folder_classes

LABELS = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
BY_NAME = [f"f{index} {LABELS[index]}" for index in (3, 1, 2, 0, 5, 4, 7, 6, 9, 8)]
"""Ten right lines, in another order than the classes'."""
IMAGENET = ["n01 tench, Tinca tinca", "n02 crane", "n03 projectile, missile", "n04 missile", "n05 crane"]
IMAGENET_LABELS = ("tench", "crane", "projectile", "missile", "crane")


def test_folders_are_the_classes_that_their_lines_name() -> None:
    expected = {f"f{index}": index for index in range(10)}
    assert folder_classes(BY_NAME, LABELS) == expected
    assert folder_classes([f"f{index}\t{index}" for index in range(10)], LABELS) == expected
    assert folder_classes([f"f{index}" for index in range(10)], LABELS) == expected
    assert folder_classes([f"f{index} whatever it is" for index in range(10)], ()) == expected


def test_one_of_several_names_will_do_and_of_two_classes_so_called_the_one_at_its_place() -> None:
    expected = {"n01": 0, "n02": 1, "n03": 2, "n04": 3, "n05": 4}
    assert folder_classes(IMAGENET, IMAGENET_LABELS) == expected


@pytest.mark.parametrize("at", range(10))
@pytest.mark.parametrize("word", ["Coats", "coat", "", "4", "Coat Coat", "Coаt"], ids=repr)
def test_one_word_that_is_no_class_is_refused_wherever_it_stands(at: int, word: str) -> None:
    for lines in (BY_NAME, sorted(BY_NAME, key=lambda line: LABELS.index(line.partition(" ")[2]))):
        wrong = [*lines[:at], f"g {word}", *lines[at + 1 :]]
        with pytest.raises(InvalidDeclaration, match=rf"line {at + 1}: no class '{word}'"):
            folder_classes(wrong, LABELS)


@pytest.mark.parametrize(
    ("lines", "labels", "said"),
    [
        (["a 0", "b O"], (), "line 2: 'O' is not the index"),
        (["a 0", "b O"], LABELS, "line 2: 'O' is not the index"),
        (["a 0", "", "b 10"], LABELS, "line 3: class 10; the models know 0 to 9"),
        (["a -1"], LABELS, "line 1: no class '-1'"),
        (["a ٣"], LABELS, "line 1: no class '٣'"),
        (["a Coat", "", "a Bag"], LABELS, "line 3: folder 'a' is named twice"),
        (["a Coats"], LABELS, "did you mean 'Coat'"),
        (["a", "b"], LABELS, "2 lines for 10 classes"),
        (["", ""], LABELS, "the file is empty"),
        (["x crane"], IMAGENET_LABELS, "may be class 1 or 4; write the index"),
        (["a 1", "b 2"], ("1", "2"), "line 1: '1' may be an index or a label"),
    ],
)
def test_a_fault_is_named_with_line_and_word(lines: list[str], labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidDeclaration, match=said):
        folder_classes(lines, labels)


def test_labels_that_are_numbers_mean_their_own_index_without_a_doubt() -> None:
    assert folder_classes(["a 1", "b 0"], ("0", "1")) == {"a": 1, "b": 0}
