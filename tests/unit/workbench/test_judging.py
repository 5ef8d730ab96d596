"""What a run loses: of labels where every picture has some, else of float's own answers."""

import pytest
import torch
from torch import Tensor

from quant.graph import INPUT, Graph, Layer
from quant.operations import Flatten, Yolo
from services.workbench.engine_model import EngineModel
from services.workbench.judging import Judge, JudgedPicture, TrueBoxes
from services.zoo.detection import Detection, Size

CLASSIFIER = EngineModel(
    "two", Graph((1, 1, 2), (Layer("scores", Flatten(), (INPUT,)),), ("scores",)), (), None, "", True
)
DETECTOR = EngineModel(
    "cells", Graph((6, 8, 8), (Layer("head", Yolo(1, ((1.0, 1.0),)), (INPUT,)),), ("head",)), ("it",), None, "", True
)
X = torch.zeros(1, 1, 1, 2)
FIRST, SECOND = ({"scores": torch.tensor([scores]).log()} for scores in ([0.9, 0.1], [0.1, 0.9]))


def cell(score: float) -> dict[str, Tensor]:
    """A head that sees one box, a pixel wide, in the first cell."""
    value = torch.zeros(1, 6, 8, 8)
    value[:, :2], value[:, 5], value[:, 4, 0, 0] = 0.5, 1.0, score
    return {"head": value}


def box(x: float) -> Detection:
    return Detection(0, 1.0, x, 1 / 16, 1 / 8, 1 / 8)


@pytest.mark.parametrize(
    ("answers", "lost"), [([FIRST, SECOND], 0), ([FIRST, FIRST], 50), ([SECOND, FIRST], 100), ([SECOND, SECOND], 50)]
)
def test_with_classes_it_is_top_1_that_is_lost(answers: list[dict[str, Tensor]], lost: float) -> None:
    judge = Judge(CLASSIFIER, [JudgedPicture(X, 0), JudgedPicture(X, 1)], [FIRST, SECOND])
    assert judge.measure == "top-1"
    assert judge.points_lost(answers) == lost


def test_a_run_that_is_right_where_float_is_wrong_loses_nothing() -> None:
    judge = Judge(CLASSIFIER, [JudgedPicture(X, 0), JudgedPicture(X, 0)], [SECOND, FIRST])
    assert judge.points_lost([FIRST, FIRST]) == 0
    assert judge.points_lost([FIRST, SECOND]) == 0
    assert judge.points_lost([SECOND, SECOND]) == 50


def test_one_picture_without_a_class_makes_it_agreement_with_float() -> None:
    judge = Judge(CLASSIFIER, [JudgedPicture(X, 0), JudgedPicture(X)], [SECOND, FIRST])
    assert judge.measure == "agreement with float"
    assert judge.points_lost([SECOND, FIRST]) == 0
    assert judge.points_lost([FIRST, FIRST]) == 50


def test_with_boxes_it_is_mean_average_precision_that_is_lost() -> None:
    here, elsewhere = (TrueBoxes(Size(8, 8), (box(x),)) for x in (1 / 16, 7 / 16))
    judge = Judge(DETECTOR, [JudgedPicture(X, here), JudgedPicture(X, here)], [cell(0.9), cell(0.9)])
    assert judge.measure == "mAP at 0.5"
    assert judge.points_lost([cell(0.5), cell(0.5)]) == 0
    assert judge.points_lost([cell(0.5), cell(0.0)]) == 50
    blind = Judge(DETECTOR, [JudgedPicture(X, elsewhere)], [cell(0.9)])
    assert blind.points_lost([cell(0.0)]) == 0


def test_pictures_on_which_nothing_is_to_be_found_do_not_judge_boxes() -> None:
    judge = Judge(DETECTOR, [JudgedPicture(X, TrueBoxes(Size(8, 8), ()))], [cell(0.9)])
    assert judge.measure == "agreement with float"
    assert judge.points_lost([cell(0.0)]) == 100
