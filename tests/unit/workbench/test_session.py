"""The stepping session, without a terminal."""

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from quant.edits import EditBias, EditCodes, EditPrecision, EditWeights
from quant.errors import InvalidEdit, LayerNotFound, NotCalibrated
from quant.precision import Mode, Precision, supported_plan, uniform_plan
from quant.scales import Calibration, IntegerWeights
from services.edge.errors import FailedPrecondition, NoAutoPlan, PictureTooLarge, TensorNotFound
from services.workbench.converters import session_to_message
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.pictures import DecodedPicture, as_input
from services.workbench.session import Session
from services.workbench.session_log import NamedModel, Opening
from services.zoo.integers import Integers
from services.zoo.manifest import InputSpec
from tests.unit.workbench.conftest import make_model


@pytest.fixture
def session(model: EngineModel, calibration: Calibration) -> Session:
    return Session(model, Integers(calibration), Mode.INT8, picture())


def picture() -> DecodedPicture:
    pixels = torch.randint(0, 255, (3, 40, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return DecodedPicture("noise", pixels)


def test_what_is_stepped_is_what_runs(session: Session, model: EngineModel, calibration: Calibration) -> None:
    while session.layer != session.layers[-1]:
        session.step()
    wanted = engine_of(model, Mode.INT8, Integers(calibration)).run(as_input(model, picture()))["head"]
    assert torch.equal(session.value(), wanted)


@pytest.mark.parametrize(
    "look",
    [
        Session.look,
        Session.info,
        Session.histogram,
        Session.feature_maps,
        Session.value,
        Session.sums,
        Session.compare,
    ],
)
def test_before_the_first_layer_there_is_nothing_to_look_at(
    session: Session, look: Callable[[Session], object]
) -> None:
    with pytest.raises(FailedPrecondition, match="step to one first"):
        look(session)
    assert session.layer is None
    with pytest.raises(InvalidEdit):
        session.undo()


def test_an_edit_that_is_refused_changes_nothing(session: Session) -> None:
    session.jump("body")
    before = session.variant
    with pytest.raises(InvalidEdit):
        session.edit(EditCodes("body", torch.tensor(128), (0,)))
    assert session.variant is before


def test_an_edit_can_be_seen_undone_and_branched(session: Session) -> None:
    seen = session.jump("body")
    assert session.edit(EditWeights("body", torch.tensor(0.2), (3,))).difference.changed_fraction > 0
    session.branch("other")
    session.undo()
    assert session.look() == seen
    assert session.compare("main").changed_fraction > 0
    session.switch("main")
    assert session.branches == ("main", "other")
    with pytest.raises(LayerNotFound, match="other"):
        session.switch("third")


def test_rerun_answers_with_the_edits_and_stays(session: Session) -> None:
    session.jump("raw")
    before = session.rerun(threshold=0.0).boxes
    session.edit(EditWeights("raw", torch.tensor(0.0)))
    assert before
    assert session.rerun(threshold=0.0).boxes != before
    assert session.layer == "raw"


def test_sums_are_whole_numbers_or_refused_by_name(session: Session) -> None:
    session.jump("body")
    assert session.sums().dtype == torch.int64
    session.jump("pool")
    with pytest.raises(TensorNotFound, match="'pool'"):
        session.sums()


def test_what_is_kept_is_the_edited_model_with_its_integers(session: Session, model: EngineModel) -> None:
    session.jump("body")
    session.edit(EditWeights("body", torch.tensor(0.2), (3,)))
    session.edit(EditPrecision("body", Precision.HYBRID))
    kept, integers = session.keep("louder")
    assert (kept.name, kept.labels) == ("louder", model.labels)
    assert integers is not None
    assert integers.edited == {"body": Precision.HYBRID}
    again = Session(kept, integers, Mode.INT8, picture())
    again.jump("head")
    session.jump("head")
    assert torch.equal(again.value(), session.value())


@pytest.fixture
def in_auto(model: EngineModel, calibration: Calibration) -> Session:
    """With integers of the plan's own, and an edit in one of these layers."""
    plan = {**uniform_plan(model.graph, Mode.INT8), "norm": Precision.FLOAT}
    own = {name: turned(calibration.weights[name]) for name in ("stem", "body")}
    session = Session(
        model, Integers(calibration, supported_plan(model.graph, plan), auto_weights=own), Mode.AUTO, picture()
    )
    session.jump("body")
    session.edit(EditCodes("body", torch.tensor(5), (0, 0, 0, 0)))
    return session


def test_of_a_session_in_auto_int8_keeps_its_own_integers_but_for_what_was_edited(
    in_auto: Session, calibration: Calibration
) -> None:
    _, kept = in_auto.keep("edited")
    assert kept is not None
    assert not kept.auto_plan
    assert torch.equal(kept.calibration.weights["stem"].codes, calibration.weights["stem"].codes)
    seen = turned(calibration.weights["body"]).codes
    seen[0, 0, 0, 0] = 5
    assert torch.equal(kept.calibration.weights["body"].codes, seen)


def test_a_session_in_auto_runs_as_edited(in_auto: Session) -> None:
    model, integers = in_auto.current()
    found = engine_of(model, Mode.AUTO, integers).run(as_input(model, picture()))["head"]
    in_auto.jump("head")
    assert torch.equal(found, in_auto.value())
    assert in_auto.run(None).findings.boxes == in_auto.rerun().boxes


def turned(integers: IntegerWeights) -> IntegerWeights:
    return replace(integers, codes=-integers.codes)


def test_a_float_session_needs_no_integers_and_keeps_none(model: EngineModel) -> None:
    session = Session(model, Integers(), Mode.FLOAT, picture())
    session.step()
    assert session.keep("same")[1] is None


def test_a_run_and_a_cross_do_not_pay_for_stepping(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.workbench.session.Stepper", None)
    assert session.run(None).findings.boxes is not None
    assert [row.layer for row in session.cross()][:2] == ["stem", "norm"]


def test_where_a_session_stands_is_known_before_anything_runs(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = Opening(NamedModel("small"), "digest", None, False, "noise", session.mode)
    after = Session(session.model, session.integers, session.mode, session.picture)
    after.look("stem")
    monkeypatch.setattr("services.workbench.session.Stepper", None)
    sent = [session_to_message("it", each, opening) for each in (session, after)]
    assert sent[0] == sent[1]
    assert (sent[0].layer, list(sent[0].branches), sent[0].edits) == ("", ["main"], 0)
    assert session.layers == after.layers


def test_a_picture_that_does_not_become_the_models_is_refused_before_anything_runs(model: EngineModel) -> None:
    square = replace(model, input_spec=InputSpec((32, 32), 32, (0.5,) * 3, (0.5,) * 3, "bilinear"))
    strip = DecodedPicture("strip.png", torch.zeros(3, 1, 60_000, dtype=torch.uint8))
    with pytest.raises(PictureTooLarge, match=r"strip\.png"):
        Session(square, Integers(), Mode.FLOAT, strip).check()
    Session(model, Integers(), Mode.FLOAT, strip).check()


def test_a_mode_without_what_it_needs_is_refused(model: EngineModel, calibration: Calibration) -> None:
    with pytest.raises(NotCalibrated):
        Session(model, Integers(), Mode.INT8, picture()).step()
    with pytest.raises(NoAutoPlan, match="small"):
        Session(model, Integers(calibration), Mode.AUTO, picture()).check()


def test_who_steps_a_model_in_float_takes_over_what_another_has_prepared_and_no_edit_of_his() -> None:
    model = make_model()
    one, other = (Session(model, Integers(), Mode.FLOAT, picture()) for _ in range(2))
    before = one.jump("head").statistics
    prepared = model.shared.any_engine()
    assert prepared is not None
    one.edit(EditBias("stem", torch.tensor([9.0]), (0,)))
    assert other.jump("head").statistics == before != one.look("head").statistics
    again = engine_of(model, Mode.FLOAT, Integers())
    assert all(ours is theirs for ours, theirs in zip(again.layers, prepared.layers, strict=True))
    del one, other, prepared, again
    gc.collect()
    assert model.shared.any_engine() is None
