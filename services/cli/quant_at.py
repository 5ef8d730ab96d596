"""Verbs of `strata quant` on many pictures: in this process, or at the workbench that `--at` names."""

import time
from pathlib import Path
from typing import NamedTuple

from services.cli.quant_begin import err, open_with_notice, progress_bar, tell_of_other_machine
from services.cli.quant_front import FrontFiles
from services.cli.quant_sessions import encoded_picture, open_there, stored_bytes
from services.workbench.calibrating import MAX_DROP, CalibrationSummary, calibrate_model
from services.workbench.files import stored_integers
from services.workbench.front import check_budget
from services.workbench.picture_files import PictureFiles, labels_of
from services.workbench.report import Report, make_report
from services.workbench.truths import truths_of
from services.workbench.workbench import CalibrationRequest
from services.zoo.integer_codec import encode_integers


class CalibratedFiles(NamedTuple):
    """The content of a model's `.integers` file, what was found, and where it was measured here, the front of auto."""

    integers: bytes
    found: CalibrationSummary
    front: FrontFiles | None


def calibrate_at(
    at: str | None,
    reference: str,
    paths: list[Path],
    request: CalibrationRequest,
    weights: str | None,
    size: int | None,
    max_drop: float | None,
) -> CalibratedFiles:
    """Calibrate a model.

    Args:
        max_drop: points that auto's plan may lose; None for those of `calibrate_model`, or else float.
    Raises:
        BudgetNotMet: no plan but float loses less than `max_drop`.
        what `calibrate_model` raises.
    """
    if at is None:
        model = open_with_notice(reference, weights, size)
        with progress_bar("calibrating") as step:
            found = calibrate_model(
                model,
                PictureFiles(paths),
                request.algorithm,
                request.granularity,
                augment=request.augment,
                clock=time.perf_counter if request.auto else None,
                max_drop=MAX_DROP if max_drop is None else max_drop,
                truths=truths_of(model, paths) if request.auto else None,
                progress=step,
            )
        if found.front and max_drop is not None:
            check_budget(found.front.front)
        front = FrontFiles(model, found.integers, found.front) if found.front else None
        return CalibratedFiles(encode_integers(model, found.integers), found.summary, front)
    with (
        open_there(at, reference, weights, size) as session,
        progress_bar("calibrating") as step,
    ):
        summary = session.calibrate(request, map(encoded_picture, paths), step)
        return CalibratedFiles(session.integers(), summary, None)


def report_at(
    at: str | None, reference: str, paths: list[Path], integers: Path | None, weights: str | None, size: int | None
) -> tuple[Report, bytes | None]:
    """Report on a model.

    Returns:
        the report, and the content of an `.integers` file with the remedies that it offers; None where it offers none,
            or was made at a workbench.
    Raises:
        what `make_report` raises.
    """
    if at is None:
        model = open_with_notice(reference, weights, size)
        stored = stored_integers(model, reference, integers)
        if stored is None:
            err.print("no integers beside the model: calibrating on these pictures")
        else:
            tell_of_other_machine(stored)
        truth = None if model.detects else labels_of(model, paths)
        with progress_bar("measuring") as step:
            found = make_report(model, stored, PictureFiles(paths), time.perf_counter, step, truth)
        return found.report, encode_integers(model, found.remedied) if found.remedied else None
    with (
        open_there(at, reference, weights, size, stored_bytes(reference, integers)) as session,
        progress_bar("measuring") as step,
    ):
        return session.report(map(encoded_picture, paths), step), None
