"""What comparing two sessions finds, as messages of strata.workbench.v1, and back."""

from quant.affine import QParams
from quant.comparing import LayerComparison, LayerSide
from quant.precision import Precision
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.workbench.comparing import PictureComparison, VariantComparison
from services.workbench.requests import PRECISION_MESSAGES, PRECISIONS


def comparison_to_message(found: VariantComparison) -> pb.CompareSessionsResponse.Compared:
    """Write what was found."""
    return pb.CompareSessionsResponse.Compared(
        layers=map(_layer_to_message, found.layers),
        pictures=map(_picture_to_message, found.pictures),
        agreement=found.agreement,
        points_lost=found.points_lost,
        detects=found.detects,
    )


def comparison_of(message: pb.CompareSessionsResponse.Compared) -> VariantComparison:
    """Read what was found."""
    pictures = [
        PictureComparison(row.picture, row.agreement, None if message.detects else (row.first_class, row.second_class))
        for row in message.pictures
    ]
    layers = list(map(_layer_of, message.layers))
    return VariantComparison(layers, pictures, message.agreement, message.points_lost, message.detects)


def _layer_to_message(row: LayerComparison) -> pb.CompareSessionsResponse.LayerRow:
    sides = {"first": _side_to_message(row.first), "second": _side_to_message(row.second)}
    return pb.CompareSessionsResponse.LayerRow(**{**vars(row), **sides})


def _side_to_message(side: LayerSide) -> pb.CompareSessionsResponse.Side:
    coding = side.qparams
    return pb.CompareSessionsResponse.Side(
        precision=PRECISION_MESSAGES[Precision(side.precision)],
        qparams=None if coding is None else pb.QParams(scale=coding.scale, zero_point=coding.zero_point),
        weight_scale=side.weight_scale,
    )


def _picture_to_message(row: PictureComparison) -> pb.CompareSessionsResponse.PictureRow:
    first, second = row.classes or ("", "")
    return pb.CompareSessionsResponse.PictureRow(
        picture=row.picture, agreement=row.agreement, first_class=first, second_class=second
    )


def _layer_of(message: pb.CompareSessionsResponse.LayerRow) -> LayerComparison:
    return LayerComparison(
        message.layer,
        _side_of(message.first),
        _side_of(message.second),
        message.weight_codes_differing if message.HasField("weight_codes_differing") else None,
        message.codes_differing if message.HasField("codes_differing") else None,
        message.largest if message.HasField("largest") else None,
        message.sqnr_db,
    )


def _side_of(message: pb.CompareSessionsResponse.Side) -> LayerSide:
    coding = message.qparams
    return LayerSide(
        PRECISIONS[message.precision].value,
        QParams(coding.scale, coding.zero_point) if message.HasField("qparams") else None,
        message.weight_scale if message.HasField("weight_scale") else None,
    )
