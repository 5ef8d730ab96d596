"""What a user of the page can do next when the workbench refuses: it knows no pages."""

from quant.errors import NotCalibrated
from services.edge.errors import NoAutoPlan

UNDER_QUANTISE = "under Quantise"
"""The page of runs looks for it, and adds a link."""


def with_hint(error: Exception) -> Exception:
    """The same error; where a model has to be calibrated first, it ends with where."""
    if isinstance(error, NoAutoPlan):
        return NoAutoPlan(f"{error}; calibrate {UNDER_QUANTISE} with 'measure the plan of auto too'")
    if isinstance(error, NotCalibrated):
        return NotCalibrated(f"{error}, {UNDER_QUANTISE}")
    return error


def no_session_yet(error: NoAutoPlan) -> NoAutoPlan:
    """The same error of a run that did not open, which therefore cannot be calibrated itself."""
    return NoAutoPlan(
        f"{error} in a run in another mode, keep it as files under Step, and choose these Integers for a new one"
    )
