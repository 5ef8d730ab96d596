"""A session's log: written down and read again, and everything else refused."""

import pytest
import torch

from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.precision import Mode, Precision
from services.edge.errors import DamagedFile, OtherVersion
from services.workbench.events import Branched, Edited, Moved, Switched, Undone
from services.workbench.session_log import NamedModel, Opening, SessionLog, decode_log, encode_log

OPENING = Opening(NamedModel("yolov3-tiny", "random://1", 96), "digest", None, False, "cat.png", Mode.INT8)
EDITS: tuple[Edit, ...] = (
    EditWeights("a", torch.tensor(0.1), (3,)),
    EditWeights("a", torch.rand(2, 3), (0, 1)),
    EditCodes("a", torch.tensor([-127, 127]), (0,)),
    EditBias("a", torch.tensor(1e-30)),
    EditScale("a", 2, 0.1),
    EditRange("a", -1.5, 2.25),
    EditPrecision("a", Precision.HYBRID),
)


@pytest.mark.parametrize("model", [OPENING.model, "file-id"])
def test_what_was_done_comes_back_as_it_was(model: NamedModel | str) -> None:
    opening = Opening(model, "digest", "integers-id", True, "cat.png", Mode.AUTO)
    events = (Moved("a"), Branched("b"), Undone(), Switched("main"))
    log = SessionLog(opening, events)
    assert decode_log(encode_log(log)) == log


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: type(edit).__name__)
def test_every_edit_comes_back_to_the_last_bit(edit: Edit) -> None:
    (event,) = decode_log(encode_log(SessionLog(OPENING, (Edited(edit),)))).events
    assert isinstance(event, Edited)
    assert type(event.edit) is type(edit)
    for name, wanted in vars(edit).items():
        found = getattr(event.edit, name)
        if isinstance(wanted, torch.Tensor):
            assert found.dtype == wanted.dtype
            assert torch.equal(found, wanted)
        else:
            assert found == wanted


def test_of_moves_that_follow_each_other_the_last_counts() -> None:
    log = SessionLog(OPENING)
    for event in (Moved("a"), Moved("b"), Undone(), Moved("c")):
        log = log.then(event)
    assert log.events == (Moved("b"), Undone(), Moved("c"))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[1]", b'{"version": 1}', b'{"version": 1, "opening": {}, "events": [{"danced": 1}]}', b"\xff"],
)
def test_what_is_no_log_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedFile):
        decode_log(data)


def test_a_log_of_another_version_is_refused() -> None:
    with pytest.raises(OtherVersion, match="2"):
        decode_log(b'{"version": 2}')
