"""What the workbench finds -> messages of strata.workbench.v1."""

from collections.abc import Iterable

from torch import Tensor

from quant.affine import QParams
from quant.calibration import Choice
from quant.crossing import Crossing
from quant.layer_info import LayerInfo
from quant.precision import Precision
from quant.statistics import Statistics
from quant.stepping import Difference, Visit
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.workbench.edit_result import EditResult
from services.workbench.engine_model import EngineModel
from services.workbench.engines import other_machine, this_machine
from services.workbench.findings import Findings
from services.workbench.layer_card import LayerCard, TensorFigures
from services.workbench.long_work import Step
from services.workbench.remedies import RemedyRow
from services.workbench.report import LayerRow, Report
from services.workbench.requests import MODES, PRECISION_MESSAGES
from services.workbench.running import PictureRun
from services.workbench.session import Session
from services.workbench.session_log import Opening
from services.workbench.workbench import CalibratedSession

MODE_MESSAGES = {mode: number for number, mode in MODES.items()}


def session_to_message(key: str, session: Session, opening: Opening) -> pb.Session:
    """Write where a session stands."""
    model, here = session.model, this_machine()
    return pb.Session(
        id=key,
        model=model.name,
        weights=model.weights,
        trained=model.trained,
        detects=model.detects,
        labels=model.labels,
        mode=MODE_MESSAGES[session.mode],
        layer=session.layer or "",
        branch=session.branch_name,
        branches=session.branches,
        edits=session.edits,
        calibrated=bool(session.integers.calibration.values),
        calibrated_on_picture=opening.calibrated_on_picture,
        has_auto_plan=bool(session.integers.auto_plan),
        isa=here.isa,
        threads=here.threads,
        auto_warning=other_machine(session.integers, here) or "",
    )


def graph_to_message(session: Session) -> pb.GetGraphResponse:
    """Write the layers, and what reads what."""
    graph = session.variant.graph
    layers = map(layer_to_message, session.infos())
    return pb.GetGraphResponse(input_shape=graph.input_shape, layers=layers, outputs=graph.outputs)


def layer_to_message(info: LayerInfo) -> pb.Layer:
    """Write what a layer is."""
    return pb.Layer(
        index=info.index,
        name=info.layer,
        operation=info.operation,
        inputs=info.inputs,
        shape=info.shape,
        precision=PRECISION_MESSAGES[info.precision],
        qparams=_qparams(info.qparams),
        parameters=info.parameters,
    )


def card_to_message(card: LayerCard) -> pb.GetLayerResponse:
    """Write what a layer is made of."""
    tensors = {name: getattr(card, name) for name in ("weights", "bias", "codes", "scales")}
    summaries = {name: _figures(found) for name, found in tensors.items() if found is not None}
    return pb.GetLayerResponse(layer=layer_to_message(card.info), parameters=card.parameters, **summaries)


def visit_to_message(visit: Visit) -> pb.Visit:
    """Write what a stop at a layer shows."""
    statistics = _statistics(visit.statistics)
    return pb.Visit(index=visit.index, layer=visit.layer, statistics=statistics, sqnr_db=visit.sqnr_db)


def histogram_to_message(edges: Tensor, counts: Tensor) -> pb.Histogram:
    """Write a histogram."""
    return pb.Histogram(edges=edges.tolist(), counts=map(int, counts.tolist()))


def sums_to_message(low: int, high: int, count: int) -> pb.LookResponse.Sums:
    """Write what integer sums span."""
    return pb.LookResponse.Sums(low=low, high=high, count=count)


def difference_to_message(layer: str, found: Difference) -> pb.Difference:
    """Write how two values of a layer differ."""
    return pb.Difference(
        layer=layer, sqnr_db=found.sqnr_db, largest=found.largest, changed_fraction=found.changed_fraction
    )


def edit_to_message(layer: str, found: EditResult) -> pb.EditResponse:
    """Write what an edit did."""
    return pb.EditResponse(difference=difference_to_message(layer, found.difference), unread=found.unread)


def run_to_message(model: EngineModel, run: PictureRun) -> pb.RunResponse:
    """Write what one picture gave."""
    return pb.RunResponse(
        mode=MODE_MESSAGES[run.mode],
        isa=run.isa,
        latency_ms=run.latency_ms or 0.0,
        detects=model.detects,
        boxes=_boxes(model, run.findings),
        guesses=[
            pb.Guess(label=each.label, name=each.name, probability=each.probability)
            for each in run.findings.guesses or ()
        ],
    )


def progress_to_message(step: Step) -> pb.Progress:
    """Write where long work is."""
    return pb.Progress(step=step.step, done=step.done, total=step.total)


def crossing_to_message(row: Crossing) -> pb.Crossing:
    """Write one layer's errors."""
    return pb.Crossing(
        layer=row.layer,
        precision=PRECISION_MESSAGES[Precision(row.precision)],
        own_db=row.own_db,
        inherited_db=row.inherited_db,
        total_db=row.total_db,
    )


def calibrated_to_message(calibrated: CalibratedSession) -> pb.CalibrateResponse.Calibrated:
    """Write what calibrating found."""
    found = calibrated.found.summary
    return pb.CalibrateResponse.Calibrated(
        values=_choices(found.values.values()),
        weights=_choices(found.weights.values()),
        integer_file=calibrated.integer_file,
        auto=found.auto,
        isa=found.machine.isa,
        threads=found.machine.threads,
    )


def report_to_message(report: Report) -> pb.ReportResponse.Measured:
    """Write what was measured."""
    classifies = report.agreements["float"].top1 is not None
    modes = [
        pb.ReportResponse.ModeRow(
            mode=pb.Mode.Value(f"MODE_{mode.upper()}"),
            latency_ms=latency_ms,
            accuracy=report.accuracies.get(mode),
            agreement=report.agreements[mode].fraction,
        )
        for mode, latency_ms in report.modes_ms.items()
    ]
    return pb.ReportResponse.Measured(
        model=report.model,
        weights=report.weights,
        isa=report.isa,
        threads=report.threads,
        pictures=report.pictures,
        detects=not classifies,
        modes=modes,
        layers=map(_layer_row, report.layers),
        remedies=map(_remedy_row, report.remedies),
    )


def _qparams(qparams: QParams | None) -> pb.QParams | None:
    return None if qparams is None else pb.QParams(scale=qparams.scale, zero_point=qparams.zero_point)


def _statistics(found: Statistics) -> pb.Statistics:
    return pb.Statistics(
        low=found.low,
        high=found.high,
        mean=found.mean,
        std=found.std,
        zero_fraction=found.zero_fraction,
        clipped=found.clipped,
    )


def _figures(found: TensorFigures) -> pb.TensorSummary:
    histogram = histogram_to_message(found.edges, found.counts)
    return pb.TensorSummary(shape=found.shape, statistics=_statistics(found.statistics), histogram=histogram)


def _boxes(model: EngineModel, found: Findings) -> list[pb.Box]:
    return [
        pb.Box(
            label=box.label,
            name=model.label(box.label),
            score=box.score,
            x=box.x,
            y=box.y,
            width=box.width,
            height=box.height,
        )
        for box in found.boxes or ()
    ]


def _choices(choices: Iterable[Choice]) -> list[pb.Choice]:
    return [
        pb.Choice(
            name=choice.name,
            algorithm=choice.algorithm,
            reason=choice.reason,
            candidates=[pb.Candidate(**vars(each)) for each in choice.candidates],
        )
        for choice in choices
    ]


def _layer_row(row: LayerRow) -> pb.ReportResponse.LayerRow:
    figures = {name: value for name, value in vars(row).items() if name != "precision"}
    return pb.ReportResponse.LayerRow(precision=PRECISION_MESSAGES[Precision(row.precision)], **figures)


def _remedy_row(row: RemedyRow) -> pb.ReportResponse.RemedyRow:
    return pb.ReportResponse.RemedyRow(**vars(row))
