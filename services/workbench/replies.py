"""Messages of strata.workbench.v1 -> the values that a workbench in this process would give, and edits -> messages."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from quant.affine import QParams
from quant.calibration import Candidate, Choice, Granularity
from quant.crossing import Crossing
from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.layer_info import LayerInfo
from quant.statistics import Statistics
from quant.stepping import Difference, Visit
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.workbench.calibrating import CalibrationSummary
from services.workbench.edit_result import EditResult
from services.workbench.findings import Agreement, Findings, Guess
from services.workbench.layer_card import LayerCard, TensorFigures
from services.workbench.remedies import RemedyRow
from services.workbench.report import LayerRow, Report
from services.workbench.requests import MODES, PRECISION_MESSAGES, PRECISIONS
from services.workbench.running import PictureRun
from services.workbench.workbench import CalibrationRequest
from services.zoo.detection import Detection
from services.zoo.integers import Machine


@dataclass(frozen=True)
class RemoteModel:
    """A `KnownModel` that is open elsewhere."""

    name: str
    weights: str
    trained: bool
    detects: bool
    labels: tuple[str, ...]

    def label(self, index: int) -> str:
        return self.labels[index] if index < len(self.labels) else f"class {index}"


def model_of(message: pb.Session) -> RemoteModel:
    """What is known of a session's model."""
    return RemoteModel(message.model, message.weights, message.trained, message.detects, tuple(message.labels))


def visit_of(message: pb.Visit) -> Visit:
    """What a stop at a layer shows."""
    return Visit(message.index, message.layer, _statistics(message.statistics), message.sqnr_db)


def info_of(message: pb.Layer) -> LayerInfo:
    """What a layer is."""
    qparams = QParams(message.qparams.scale, message.qparams.zero_point) if message.HasField("qparams") else None
    return LayerInfo(
        message.index,
        message.name,
        message.operation,
        tuple(message.inputs),
        tuple(message.shape),
        PRECISIONS[message.precision],
        qparams,
        message.parameters,
    )


def difference_of(message: pb.Difference) -> Difference:
    """How two values differ."""
    return Difference(message.sqnr_db, message.largest, message.changed_fraction)


def edit_result_of(message: pb.EditResponse) -> EditResult:
    """What an edit did."""
    return EditResult(difference_of(message.difference), message.unread)


def card_of(message: pb.GetLayerResponse) -> LayerCard:
    """What a layer is made of."""
    tensors = {
        name: _figures(getattr(message, name))
        for name in ("weights", "bias", "codes", "scales")
        if message.HasField(name)
    }
    return LayerCard(info_of(message.layer), dict(message.parameters), **tensors)


def tensor_of(replies: Iterable[pb.ReadTensorResponse]) -> Tensor:
    """A tensor that came in pieces."""
    first, *others = replies
    data = bytearray(b"".join(each.piece for each in (first, *others)))
    return torch.frombuffer(data, dtype=getattr(torch, first.dtype)).reshape(tuple(first.shape))


def run_of(message: pb.RunResponse) -> PictureRun:
    """What one picture gave."""
    boxes = tuple(Detection(box.label, box.score, box.x, box.y, box.width, box.height) for box in message.boxes)
    guesses = tuple(Guess(guess.label, guess.name, guess.probability) for guess in message.guesses)
    findings = Findings(boxes, None) if message.detects else Findings(None, guesses)
    return PictureRun(MODES[message.mode], message.isa, message.latency_ms or None, findings)


def crossing_of(message: pb.Crossing) -> Crossing:
    """One layer's errors."""
    precision = PRECISIONS[message.precision].value
    return Crossing(message.layer, precision, message.own_db, message.inherited_db, message.total_db)


def calibration_of(message: pb.CalibrateResponse.Calibrated, asked: str) -> CalibrationSummary:
    """What calibrating found."""
    machine = Machine(message.isa, message.threads)
    return CalibrationSummary(_choices(message.values), _choices(message.weights), asked, message.auto, machine)


def report_of(message: pb.ReportResponse.Measured) -> Report:
    """What was measured."""
    modes = {MODES[row.mode].value: row for row in message.modes}
    return Report(
        message.model,
        message.weights,
        message.isa,
        message.threads,
        message.pictures,
        {mode: row.latency_ms for mode, row in modes.items()},
        {mode: row.accuracy for mode, row in modes.items() if row.HasField("accuracy")},
        {mode: _agreement(message, row.agreement) for mode, row in modes.items()},
        list(map(_layer_row, message.layers)),
        [
            RemedyRow(
                row.layer,
                row.action,
                row.before_db,
                row.after_db,
                row.model_before_db,
                row.model_after_db,
                row.offered,
            )
            for row in message.remedies
        ],
    )


def calibration_options(session: str, request: CalibrationRequest) -> pb.CalibrateRequest.Options:
    """Ask for a calibration."""
    return pb.CalibrateRequest.Options(
        session=session,
        algorithm=request.algorithm,
        per_tensor=request.granularity is Granularity.TENSOR,
        augment=request.augment,
        auto=request.auto,
        discard_edits=request.discard_edits,
    )


def edit_request(session: str, edit: Edit) -> pb.EditRequest:
    """Ask for an edit."""
    match edit:
        case EditWeights():
            return pb.EditRequest(session=session, layer=edit.layer, weights=_numbers(edit.values, edit.place))
        case EditCodes():
            return pb.EditRequest(session=session, layer=edit.layer, codes=_numbers(edit.values, edit.place))
        case EditBias():
            return pb.EditRequest(session=session, layer=edit.layer, bias=_numbers(edit.values, edit.place))
        case EditScale(layer, channel, scale):
            asked = pb.EditRequest.Scale(channel=channel, scale=scale)
            return pb.EditRequest(session=session, layer=layer, scale=asked)
        case EditRange(value, low, high):
            return pb.EditRequest(session=session, layer=value, range=pb.EditRequest.Range(low=low, high=high))
        case EditPrecision(layer, precision):
            return pb.EditRequest(session=session, layer=layer, precision=PRECISION_MESSAGES[precision])


def _numbers(values: Tensor, place: tuple[int, ...]) -> pb.EditRequest.Numbers:
    return pb.EditRequest.Numbers(place=place, values=values.reshape(-1).tolist())


def _statistics(message: pb.Statistics) -> Statistics:
    clipped = message.clipped if message.HasField("clipped") else None
    return Statistics(message.low, message.high, message.mean, message.std, message.zero_fraction, clipped)


def _figures(message: pb.TensorSummary) -> TensorFigures:
    edges, counts = torch.tensor(message.histogram.edges), torch.tensor(message.histogram.counts)
    return TensorFigures(tuple(message.shape), _statistics(message.statistics), edges, counts)


def _choices(messages: Iterable[pb.Choice]) -> dict[str, Choice]:
    return {
        each.name: Choice(each.name, each.algorithm, each.reason, tuple(map(_candidate, each.candidates)))
        for each in messages
    }


def _candidate(message: pb.Candidate) -> Candidate:
    return Candidate(
        message.algorithm,
        message.scale,
        message.zero_point,
        message.clipped_fraction,
        message.sqnr_db,
        message.cosine,
        message.kl_nats,
        message.output_sqnr_db,
    )


def _agreement(message: pb.ReportResponse.Measured, fraction: float) -> Agreement:
    top1, boxes = (None, fraction) if message.detects else (fraction, None)
    return Agreement(message.pictures, top1, boxes)


def _layer_row(row: pb.ReportResponse.LayerRow) -> LayerRow:
    return LayerRow(
        row.layer,
        PRECISIONS[row.precision].value,
        row.float32_ms,
        row.bfloat16_ms if row.HasField("bfloat16_ms") else None,
        row.int8_ms,
        row.own_db,
        row.total_db,
    )
