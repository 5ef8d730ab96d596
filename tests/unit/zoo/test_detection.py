import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quant.operations import Region, Yolo
from services.zoo.detection import (
    Candidates,
    Detection,
    Distance,
    Size,
    average_precision,
    decode,
    detect,
    from_letterbox,
    iou,
    match_boxes,
    suppress,
)

SQUARE = Size(64, 64)


def box(x: float, score: float = 1.0, label: int = 0, side: float = 0.2) -> Detection:
    return Detection(label, score, x, 0.5, side, side)


def head_map(anchors: int, classes: int, side: int) -> np.ndarray:
    return np.zeros((anchors, 5 + classes, side, side), np.float32)


def test_a_yolo_box_is_its_cell_plus_offset_and_its_anchor_times_e() -> None:
    value = head_map(2, 3, side=4)
    value[1, :, 2, 3] = (0.25, 0.5, np.log(2), 0, 0.9, 0.8, 0.1, 0.7)  # the second predictor in row 2, column 3
    found = decode(Yolo(3, ((8.0, 8.0), (16.0, 32.0))), value.reshape(-1, 4, 4), SQUARE, threshold=0.5)
    np.testing.assert_allclose(found.boxes, [[3.25 / 4, 2.5 / 4, 2 * 16 / 64, 32 / 64]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [[0.72, 0, 0.63]], rtol=1e-6)


def test_with_new_coords_a_size_is_four_times_the_square_times_its_anchor() -> None:
    value = head_map(1, 1, side=4)
    value[0, :, 2, 3] = (0.25, 0.5, 0.5, 0.25, 0.9, 0.8)
    head = Yolo(1, ((16.0, 32.0),), new_coords=True)
    found = decode(head, value.reshape(-1, 4, 4), SQUARE, threshold=0.5)
    np.testing.assert_allclose(found.boxes, [[3.25 / 4, 2.5 / 4, 16 / 64, 4 * 0.0625 * 32 / 64]], rtol=1e-6)


def test_with_new_coords_the_layer_before_has_applied_the_logistic_function() -> None:
    x = torch.rand(1, 2 * 7, 3, 3, generator=torch.Generator().manual_seed(0))
    found = Yolo(2, ((1.0, 1.0), (2.0, 2.0)), scale_x_y=2.0, new_coords=True).run(x.clone())
    expected = x.clone().view(1, 2, 7, 3, 3)
    expected[:, :, :2] = 2 * expected[:, :, :2] - 0.5
    torch.testing.assert_close(found.view(1, 2, 7, 3, 3), expected)


@pytest.mark.parametrize(("exponent", "kept"), [(None, 1), (0.6, 2), (5.0, 1)])
def test_boxes_apart_keep_each_other_where_the_head_says_so(exponent: float | None, kept: int) -> None:
    """Two boxes of one size, an overlap of 1/2: the distance term is (1/13)^exponent."""
    value = np.zeros((2 * 6, 1, 1), np.float32)
    for start, x in ((0, 0.5 - 1 / 12), (6, 0.5 + 1 / 12)):
        value[start : start + 6, 0, 0] = (x, 0.5, np.log(16), np.log(16), 0.9, 0.9 - start / 100)
    head = Yolo(1, ((2.0, 2.0), (2.0, 2.0)), distance_exponent=exponent)
    assert len(detect([(head, value)], SQUARE, SQUARE, threshold=0.5, suppression_iou=0.45)) == kept


def test_the_distance_of_boxes_is_measured_in_the_picture_and_not_in_its_frame() -> None:
    boxes = np.array([[0.4, 0.5, 0.2, 0.4], [0.5, 0.7, 0.2, 0.4]], np.float32)
    [share] = Distance(boxes, 1.0).between(np.intp(0), np.array([1]))
    assert share == pytest.approx((0.1**2 + 0.2**2) / (0.3**2 + 0.6**2))


def test_a_regions_anchors_are_in_cells() -> None:
    value = head_map(1, 1, side=4)
    value[0, :, 0, 0] = (0.5, 0.5, 0, 0, 1, 1)
    found = decode(Region(1, ((2.0, 3.0),)), value.reshape(-1, 4, 4), SQUARE, threshold=0.5)
    np.testing.assert_allclose(found.boxes, [[0.125, 0.125, 0.5, 0.75]])


def test_objectness_at_the_threshold_is_no_box() -> None:
    value = head_map(1, 1, side=2)
    value[0, 4] = value[0, 5] = 0.5
    assert len(decode(Yolo(1, ((1.0, 1.0),)), value.reshape(-1, 2, 2), SQUARE, threshold=0.5).boxes) == 0


def test_a_huge_size_does_not_overflow() -> None:
    value = head_map(1, 1, side=1)
    value[0, :, 0, 0] = (0.5, 0.5, 1e30, 1e30, 1, 1)
    found = decode(Yolo(1, ((1.0, 1.0),)), value.reshape(-1, 1, 1), SQUARE, threshold=0.5)
    assert np.isfinite(found.boxes).all()
    assert np.isfinite(iou(found.boxes[0], found.boxes)).all()


def test_letterbox_bars_are_taken_off() -> None:
    # a picture twice as wide as high lies in the middle half of a square input
    boxes = np.array([[0.5, 0.25, 1, 0.5], [0.25, 0.5, 0.5, 0.25]], np.float32)
    np.testing.assert_allclose(from_letterbox(boxes, SQUARE, Size(100, 200)), [[0.5, 0, 1, 1], [0.25, 0.5, 0.5, 0.5]])


def test_the_best_of_overlapping_boxes_of_a_class_stays() -> None:
    boxes = np.array([[0.5, 0.5, 0.2, 0.2], [0.51, 0.5, 0.2, 0.2], [0.9, 0.5, 0.2, 0.2]], np.float32)
    scores = np.array([[0.6, 0.5], [0.9, 0], [0.7, 0]], np.float32)
    np.testing.assert_array_equal(
        suppress(Candidates(boxes, scores), 0.45), np.array([[0, 0.5], [0.9, 0], [0.7, 0]], np.float32)
    )


def test_a_suppressed_box_suppresses_none() -> None:
    """A chain: the second falls to the first, so the third, which only meets the second, stays."""
    boxes = np.array([[x, 0.5, 0.2, 0.2] for x in (0.5, 0.56, 0.62)], np.float32)
    scores = np.array([[0.9], [0.8], [0.7]], np.float32)
    np.testing.assert_array_equal(suppress(Candidates(boxes, scores), 0.45)[:, 0] > 0, [True, False, True])


def test_detections_come_best_first_and_once_per_class() -> None:
    value = head_map(1, 2, side=2)
    value[0, :, 0, 0] = (0.5, 0.5, 0, 0, 1, 0.6, 0.9)
    value[0, :, 1, 1] = (0.5, 0.5, 0, 0, 1, 0.8, 0)
    found = detect([(Yolo(2, ((16.0, 16.0),)), value.reshape(-1, 2, 2))], SQUARE, Size(30, 30))
    assert [(one.label, round(one.score, 4)) for one in found] == [(1, 0.9), (0, 0.8), (0, 0.6)]
    assert (found[1].x, found[1].y, found[1].width) == (0.75, 0.75, 0.25)


def test_no_box_at_all_is_an_empty_answer() -> None:
    assert detect([(Yolo(1, ((1.0, 1.0),)), np.zeros((6, 2, 2), np.float32))], SQUARE, SQUARE) == []


sides = st.floats(1 / 64, 1, width=32)


@given(st.tuples(sides, sides, sides, sides), st.tuples(sides, sides, sides, sides))
def test_overlap_is_symmetric_within_0_and_1_and_full_with_itself(
    first: tuple[float, ...], second: tuple[float, ...]
) -> None:
    a, b = np.array(first, np.float32), np.array(second, np.float32)
    assert 0 <= iou(a, b[None])[0] <= 1 + 1e-5
    assert iou(a, b[None])[0] == pytest.approx(iou(b, a[None])[0], abs=1e-5)
    assert iou(a, a[None])[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("size", [1e-20, 1e28])
def test_a_box_of_an_untrained_network_covers_itself(size: float) -> None:
    odd = np.array([0.5, 0.5, size, size], np.float32)
    assert iou(odd, odd[None])[0] == pytest.approx(1)


def test_half_overlapping_boxes_share_a_third() -> None:
    assert iou(box(0.5).box, box(0.6).box[None])[0] == pytest.approx(1 / 3, rel=1e-5)


def test_perfect_boxes_have_an_average_precision_of_1() -> None:
    truth = [[box(0.2), box(0.7, label=1)], [box(0.5)]]
    assert average_precision(truth, truth).mean == 1


def test_average_precision_of_a_worked_example() -> None:
    """Ranked right, wrong, right of three true boxes: precision 1 to recall 1/3, then 2/3 to recall 2/3."""
    truth = [[box(0.2), box(0.8)], [box(0.5)]]
    found = [[box(0.2, 0.9), box(0.5, 0.8)], [box(0.5, 0.7)]]
    assert average_precision(found, truth).by_label == {0: pytest.approx(1 / 3 + 2 / 9)}


def test_a_second_box_for_the_same_shape_is_wrong() -> None:
    twice = average_precision([[box(0.5, 0.9), box(0.5, 0.8), box(0.8, 0.7)]], [[box(0.5), box(0.8)]])
    assert twice.mean == pytest.approx(1 / 2 + 1 / 3)


def test_a_class_nobody_found_counts_as_0_and_a_class_nobody_drew_not_at_all() -> None:
    answer = average_precision([[box(0.5), box(0.5, label=2)]], [[box(0.5), box(0.5, label=1)]])
    assert answer.by_label == {0: 1, 1: 0}
    assert answer.mean == 0.5


def test_matching_pairs_each_box_once_with_its_class_and_place() -> None:
    first = [box(0.2, 0.9), box(0.8, 0.8), box(0.5, 0.7, label=1)]
    second = [box(0.21, 0.6), box(0.22, 0.5), box(0.5, 0.7, label=2)]
    answer = match_boxes(first, second)
    assert answer.pairs == ((first[0], second[0]),)
    assert (answer.first_only, answer.second_only) == (2, 2)
    assert answer.matched_fraction == pytest.approx(2 / 6)
    assert match_boxes([], []).matched_fraction == 1
