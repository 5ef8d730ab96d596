"""The workbench over gRPC, a real process: every RPC, what it answers and what it refuses."""

import io
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from PIL import Image

from services.bench.workbench_isolation import other_peoples_rpcs
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.edge.owner_token import sign_owner
from tests.contract.workbench_process import PICTURE, Bench, detector, running

WEIGHTS = pb.ReadTensorRequest.KIND_WEIGHTS
FIRST, SECOND = "convolutional_0", "maxpool_1"
SERVICE = pb.DESCRIPTOR.services_by_name["WorkbenchService"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(str(tmp_path_factory.mktemp("store")), WORKBENCH_THREADS="1") as bench:
        yield bench


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A workbench that keeps one session in memory and takes no file of more than five million bytes."""
    limits = {"WORKBENCH_OPEN_SESSIONS": "1", "WORKBENCH_UPLOAD_BYTES": "5000000"}
    with running(str(tmp_path_factory.mktemp("narrow")), WORKBENCH_THREADS="1", **limits) as bench:
        yield bench


@pytest.fixture(scope="module")
def standing(bench: Bench) -> str:
    """A session that stands at the first layer, for tests that only look."""
    session = bench.open()
    bench.call("Step", pb.StepRequest(session=session, layer=FIRST))
    return session


def with_pictures(kind: Any, session: str, count: int = 2, **options: Any) -> Iterator[Any]:
    yield kind(options=kind.Options(session=session, **options))
    for number in range(count):
        yield kind(picture=pb.Picture(data=PICTURE, name=f"{number}.jpg"))


def number(value: float, *place: int) -> pb.EditRequest.Numbers:
    return pb.EditRequest.Numbers(place=place, values=[value])


@dataclass(frozen=True)
class Asked:
    """A right request of an RPC on a session, and what is true of its answer."""

    request: Callable[[str], Any]
    right: Callable[[Any], object]


ASKED: dict[str, Asked] = {
    "GetSession": Asked(
        lambda session: pb.GetSessionRequest(session=session),
        lambda reply: (reply.session.layer, reply.session.calibrated) == (FIRST, True) and bool(reply.session.isa),
    ),
    "GetGraph": Asked(
        lambda session: pb.GetGraphRequest(session=session),
        lambda reply: reply.layers[0].inputs == ["input"] and len(reply.layers[0].shape) == 3 and reply.outputs,
    ),
    "GetLayer": Asked(
        lambda session: pb.GetLayerRequest(session=session),
        lambda reply: (
            reply.parameters["kernel"] == "3 x 3"
            and sum(reply.weights.histogram.counts) == np.prod(reply.weights.shape)
            and reply.codes.statistics.low >= -127
            and len(reply.bias.shape) == len(reply.scales.shape) == 1
        ),
    ),
    "Look": Asked(
        lambda session: pb.LookRequest(session=session, histogram=True, sums=True),
        lambda reply: (
            reply.visit.layer == FIRST
            and len(reply.histogram.edges) == len(reply.histogram.counts) + 1
            and reply.sums.count == sum(reply.histogram.counts)
        ),
    ),
    "DrawFeatureMaps": Asked(
        lambda session: pb.DrawFeatureMapsRequest(session=session),
        lambda reply: Image.open(io.BytesIO(reply.png)).mode == "L",
    ),
    "ReadTensor": Asked(
        lambda session: pb.ReadTensorRequest(session=session, kind=pb.ReadTensorRequest.KIND_WEIGHTS),
        lambda pieces: (
            np.frombuffer(b"".join(each.piece for each in pieces), pieces[0].dtype).size == np.prod(pieces[0].shape)
        ),
    ),
    "Step": Asked(
        lambda session: pb.StepRequest(session=session, forward=1),
        lambda reply: reply.visit.index == 1 and reply.visit.statistics.high > reply.visit.statistics.low,
    ),
    "Edit": Asked(
        lambda session: pb.EditRequest(session=session, weights=number(0.5, 3)),
        lambda reply: reply.difference.changed_fraction > 0,
    ),
    "Undo": Asked(lambda session: pb.UndoRequest(session=session), lambda reply: reply.visit.layer == FIRST),
    "Compare": Asked(
        lambda session: pb.CompareRequest(session=session, branch="main"),
        lambda reply: reply.difference.changed_fraction == 0 and reply.difference.sqnr_db == 200,
    ),
    "Branch": Asked(
        lambda session: pb.BranchRequest(session=session, name="other"),
        lambda reply: (reply.session.branch, list(reply.session.branches)) == ("other", ["main", "other"]),
    ),
    "Switch": Asked(
        lambda session: pb.SwitchRequest(session=session, name="main"), lambda reply: reply.session.branch == "main"
    ),
    "Run": Asked(
        lambda session: pb.RunRequest(session=session, mode=pb.MODE_FLOAT),
        lambda reply: reply.detects and reply.latency_ms > 0 and {box.name for box in reply.boxes},
    ),
    "Cross": Asked(
        lambda session: pb.CrossRequest(session=session),
        lambda rows: [each.crossing.layer for each in rows][:2] == [FIRST, SECOND],
    ),
    "Calibrate": Asked(
        lambda session: with_pictures(pb.CalibrateRequest, session, algorithm="minmax"),
        lambda replies: (
            any(each.HasField("progress") for each in replies)
            and len(replies[-1].calibrated.weights[0].candidates) > 1
            and replies[-1].calibrated.integer_file
        ),
    ),
    "Report": Asked(
        lambda session: with_pictures(pb.ReportRequest, session),
        lambda replies: (
            replies[-1].measured.pictures == 2
            and [row.mode for row in replies[-1].measured.modes] == [1, 2, 3]
            and replies[-1].measured.remedies
        ),
    ),
    "CompareSessions": Asked(
        lambda session: with_pictures(pb.CompareSessionsRequest, session, other=session),
        lambda replies: (
            replies[-1].compared.agreement == 1
            and all(row.sqnr_db == 200 for row in replies[-1].compared.layers)
            and len(replies[-1].compared.pictures) == 2
        ),
    ),
    "SaveVariant": Asked(
        lambda session: pb.SaveVariantRequest(session=session, name="mine"),
        lambda reply: reply.model_file and reply.integer_file,
    ),
    "Export": Asked(
        lambda session: pb.ExportRequest(session=session, name="mine"),
        lambda pieces: {each.kind for each in pieces} == {1, 2},
    ),
    "CloseSession": Asked(lambda session: pb.CloseSessionRequest(session=session), lambda _: True),
}
PREPARED = {"Undo": "Edit", "Switch": "Branch"}


def test_every_rpc_on_a_session_is_asked() -> None:
    assert {method.name for method in SERVICE.methods} == {
        *ASKED,
        "ListModels",
        "Augment",
        "UploadFile",
        "RemoveFile",
        "OpenSession",
    }


@pytest.mark.parametrize("rpc", ASKED)
def test_an_rpc_answers(bench: Bench, rpc: str) -> None:
    session = bench.open()
    bench.call("Step", pb.StepRequest(session=session, forward=1))
    if before := PREPARED.get(rpc):
        bench.call(before, ASKED[before].request(session))
    reply = bench.call(rpc, ASKED[rpc].request(session))
    assert ASKED[rpc].right(reply), reply


def test_models_are_listed_by_name(bench: Bench) -> None:
    assert {"yolov3-tiny", "resnet-50"} <= set(bench.call("ListModels", pb.ListModelsRequest()).names)


def refused(bench: Bench, rpc: str, request: Any, owner: str | None = None) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        bench.call(rpc, request, owner)
    error: Any = caught.value
    names = [value for key, value in error.trailing_metadata() if key == "strata-error"]
    return error.code(), names[0] if names else "", error.details()


@pytest.mark.parametrize("rpc", ASKED)
def test_another_owners_session_does_not_exist(bench: Bench, standing: str, rpc: str) -> None:
    code, name, _ = refused(bench, rpc, ASKED[rpc].request(standing), "another-owner-of-sessions")
    assert (code, name) == (grpc.StatusCode.NOT_FOUND, "SessionNotFound")


@pytest.mark.parametrize("rpc", ASKED)
@pytest.mark.parametrize("session", ["", "../../files/x", "A" * 24])
def test_a_session_that_was_never_opened_does_not_exist(bench: Bench, rpc: str, session: str) -> None:
    code, name, _ = refused(bench, rpc, ASKED[rpc].request(session))
    assert (code, name) == (grpc.StatusCode.NOT_FOUND, "SessionNotFound")


@pytest.mark.parametrize("rpc", ASKED)
def test_who_does_not_say_who_he_is_is_asked(bench: Bench, standing: str, rpc: str) -> None:
    with pytest.raises(grpc.RpcError, match="strata-owner"):
        list(getattr(bench.stub, rpc)(ASKED[rpc].request(standing)))


def test_a_token_that_is_none_is_refused(bench: Bench, standing: str) -> None:
    code, name, _ = refused(bench, "GetSession", pb.GetSessionRequest(session=standing), "short")
    assert (code, name) == (grpc.StatusCode.INVALID_ARGUMENT, "InvalidInput")


def test_without_a_token_the_caller_gets_one_that_opens_his_session(bench: Bench) -> None:
    file = bench.stub.UploadFile(iter([pb.UploadFileRequest(piece=detector())]))
    request = pb.OpenSessionRequest(model_file=file.file, picture=PICTURE, mode=pb.MODE_FLOAT)
    opened = bench.stub.OpenSession(request, metadata=(("strata-owner", file.owner),))
    assert opened.owner == file.owner
    assert bench.call("GetSession", pb.GetSessionRequest(session=opened.session.id), file.owner)


NAMED = pb.OpenSessionRequest.NamedModel
BAD = grpc.StatusCode.INVALID_ARGUMENT
GONE = grpc.StatusCode.NOT_FOUND
WRONG_MOMENT = grpc.StatusCode.FAILED_PRECONDITION


@pytest.mark.parametrize(
    ("request_", "code", "name", "words"),
    [
        ({"named": NAMED(name="yolov9")}, GONE, "ModelNotFound", "yolov3-tiny"),
        ({"named": NAMED()}, BAD, "InvalidInput", "which model"),
        ({"model_file": "B" * 24}, GONE, "ArtifactNotFound", "no file"),
        ({"model_file": "../../etc/passwd"}, GONE, "ArtifactNotFound", "not an id"),
        ({"named": NAMED(name="yolov3-tiny", weights="file:///etc/passwd")}, BAD, "InvalidInput", "upload"),
        ({"named": NAMED(name="yolov3-tiny", weights="s3://secret/w")}, BAD, "InvalidInput", "upload"),
        ({"named": NAMED(name="yolov3-tiny", size=100_000)}, BAD, "InvalidInput", "2048"),
        ({"named": NAMED(name="resnet-18", size=64)}, BAD, "InvalidInput", "Darknet"),
        ({"picture": b""}, BAD, "InvalidInput", "picture"),
        ({"picture": b"no picture", "picture_name": "cat.png"}, BAD, "NotAPicture", "cat.png"),
        ({"mode": 0}, BAD, "InvalidInput", "mode"),
        ({"mode": 9}, BAD, "InvalidInput", "mode 9"),
        ({"mode": pb.MODE_AUTO}, WRONG_MOMENT, "NoAutoPlan", "auto"),
        ({"integer_file": "C" * 24}, GONE, "ArtifactNotFound", "no file"),
    ],
)
def test_a_session_that_cannot_be_opened_is_refused_by_name(
    bench: Bench, request_: dict[str, Any], code: grpc.StatusCode, name: str, words: str
) -> None:
    given = {"picture": PICTURE, "mode": pb.MODE_FLOAT, **request_}
    if not {"named", "model_file"} & given.keys():
        given["model_file"] = bench.upload(detector())
    found = refused(bench, "OpenSession", pb.OpenSessionRequest(**given))
    assert found[:2] == (code, name)
    assert words in found[2]


@pytest.mark.parametrize("cut", [0, 1, 5000, -1])
def test_files_that_are_no_models_are_refused(bench: Bench, cut: int) -> None:
    content = detector()[:cut]
    if not content:
        assert refused(bench, "UploadFile", iter([pb.UploadFileRequest()]))[:2] == (BAD, "InvalidInput")
        return
    request = pb.OpenSessionRequest(model_file=bench.upload(content), picture=PICTURE, mode=pb.MODE_FLOAT)
    assert refused(bench, "OpenSession", request)[1] in ("ForeignFile", "DamagedFile")


def test_a_file_is_removed_by_its_owner_alone_and_once(bench: Bench) -> None:
    file = bench.upload(detector())
    asked = pb.RemoveFileRequest(file=file)
    opening = pb.OpenSessionRequest(model_file=file, picture=PICTURE, mode=pb.MODE_FLOAT)
    assert refused(bench, "RemoveFile", asked, "another-owner-of-files")[:2] == (GONE, "ArtifactNotFound")
    with pytest.raises(grpc.RpcError, match="strata-owner"):
        bench.stub.RemoveFile(asked)
    session = bench.call("OpenSession", opening).session.id
    bench.call("RemoveFile", asked)
    for rpc, request in (("RemoveFile", asked), ("OpenSession", opening)):
        assert refused(bench, rpc, request)[:2] == (GONE, "ArtifactNotFound")
    assert bench.call("Step", pb.StepRequest(session=session, forward=1)).visit.layer == FIRST


def test_a_model_is_no_integers_and_integers_are_of_one_model(bench: Bench) -> None:
    file = bench.upload(detector())
    request = pb.OpenSessionRequest(model_file=file, integer_file=file, picture=PICTURE, mode=pb.MODE_INT8)
    assert refused(bench, "OpenSession", request)[:2] == (BAD, "ForeignFile")
    other = bench.open(named=NAMED(name="yolov3-tiny", size=32), picture=PICTURE)
    saved = bench.call("SaveVariant", pb.SaveVariantRequest(session=other, name="other"))
    request.integer_file = saved.integer_file
    assert refused(bench, "OpenSession", request)[:2] == (BAD, "OtherModel")


LAYER_REQUESTS: dict[str, Any] = {
    "GetLayer": pb.GetLayerRequest,
    "Look": pb.LookRequest,
    "DrawFeatureMaps": pb.DrawFeatureMapsRequest,
    "ReadTensor": lambda **fields: pb.ReadTensorRequest(kind=pb.ReadTensorRequest.KIND_VALUE, **fields),
    "Edit": lambda **fields: pb.EditRequest(bias=number(0.0), **fields),
    "Step": pb.StepRequest,
    "Cross": pb.CrossRequest,
    "Compare": pb.CompareRequest,
}


@pytest.mark.parametrize("rpc", LAYER_REQUESTS)
def test_a_layer_that_is_none_is_not_found(bench: Bench, standing: str, rpc: str) -> None:
    found = refused(bench, rpc, LAYER_REQUESTS[rpc](session=standing, layer="nowhere"))
    assert found[:2] == (GONE, "LayerNotFound")


@pytest.mark.parametrize("rpc", ["GetLayer", "Look", "DrawFeatureMaps", "ReadTensor", "Edit", "Compare"])
def test_before_the_first_layer_there_is_nothing_to_look_at(bench: Bench, rpc: str) -> None:
    session = bench.open(pb.MODE_FLOAT)
    assert refused(bench, rpc, LAYER_REQUESTS[rpc](session=session))[:2] == (WRONG_MOMENT, "FailedPrecondition")


@pytest.mark.parametrize(
    ("rpc", "request_", "code", "name"),
    [
        ("Step", lambda session: pb.StepRequest(session=session), BAD, "InvalidInput"),
        ("Step", lambda session: pb.StepRequest(session=session, forward=0), BAD, "InvalidInput"),
        ("Step", lambda session: pb.StepRequest(session=session, forward=4_000_000_000), GONE, "LayerNotFound"),
        ("Step", lambda session: pb.StepRequest(session=session, back=1), GONE, "LayerNotFound"),
        ("Edit", lambda session: pb.EditRequest(session=session), BAD, "InvalidInput"),
        ("Edit", lambda session: pb.EditRequest(session=session, weights=number(1.0, 99)), BAD, "InvalidEdit"),
        ("Edit", lambda session: pb.EditRequest(session=session, weights=number(float("nan"))), BAD, "InvalidEdit"),
        (
            "Edit",
            lambda session: pb.EditRequest(session=session, weights=pb.EditRequest.Numbers()),
            BAD,
            "InvalidInput",
        ),
        ("Edit", lambda session: pb.EditRequest(session=session, codes=number(0.5)), BAD, "InvalidInput"),
        ("Edit", lambda session: pb.EditRequest(session=session, codes=number(128)), BAD, "InvalidEdit"),
        ("Edit", lambda session: pb.EditRequest(session=session, precision=cast("Any", 9)), BAD, "InvalidInput"),
        (
            "Edit",
            lambda session: pb.EditRequest(session=session, scale=pb.EditRequest.Scale(channel=0, scale=-1)),
            BAD,
            "InvalidScale",
        ),
        (
            "Edit",
            lambda session: pb.EditRequest(session=session, range=pb.EditRequest.Range(low=1, high=2)),
            BAD,
            "InvalidEdit",
        ),
        (
            "Edit",
            lambda session: pb.EditRequest(session=session, layer=SECOND, weights=number(1.0)),
            BAD,
            "InvalidEdit",
        ),
        ("Undo", lambda session: pb.UndoRequest(session=session), BAD, "InvalidEdit"),
        ("Compare", lambda session: pb.CompareRequest(session=session), BAD, "InvalidEdit"),
        ("Compare", lambda session: pb.CompareRequest(session=session, branch="none"), GONE, "LayerNotFound"),
        ("Branch", lambda session: pb.BranchRequest(session=session), BAD, "InvalidInput"),
        ("Branch", lambda session: pb.BranchRequest(session=session, name="main"), BAD, "InvalidEdit"),
        ("Switch", lambda session: pb.SwitchRequest(session=session, name="none"), GONE, "LayerNotFound"),
        ("SaveVariant", lambda session: pb.SaveVariantRequest(session=session), BAD, "InvalidInput"),
        ("Run", lambda session: pb.RunRequest(session=session, mode=cast("Any", 9)), BAD, "InvalidInput"),
        ("Run", lambda session: pb.RunRequest(session=session, mode=pb.MODE_AUTO), WRONG_MOMENT, "NoAutoPlan"),
        ("Run", lambda session: pb.RunRequest(session=session, threshold=2), BAD, "InvalidInput"),
        ("Run", lambda session: pb.RunRequest(session=session, picture=b"none"), BAD, "NotAPicture"),
        ("Cross", lambda session: pb.CrossRequest(session=session, mode=pb.MODE_AUTO), WRONG_MOMENT, "NoAutoPlan"),
        ("ReadTensor", lambda session: pb.ReadTensorRequest(session=session), BAD, "InvalidInput"),
        (
            "ReadTensor",
            lambda session: pb.ReadTensorRequest(session=session, kind=WEIGHTS, first=10**9),
            BAD,
            "InvalidInput",
        ),
        (
            "ReadTensor",
            lambda session: pb.ReadTensorRequest(session=session, kind=WEIGHTS, layer=SECOND),
            GONE,
            "TensorNotFound",
        ),
        (
            "Calibrate",
            lambda session: with_pictures(pb.CalibrateRequest, session, algorithm="min-max"),
            BAD,
            "AlgorithmNotFound",
        ),
        ("Calibrate", lambda session: with_pictures(pb.CalibrateRequest, session, 0), BAD, "EmptyCalibration"),
        ("Calibrate", lambda _: iter([pb.CalibrateRequest(picture=pb.Picture(data=PICTURE))]), BAD, "InvalidInput"),
        ("Calibrate", lambda _: iter([]), BAD, "InvalidInput"),
        ("Report", lambda session: with_pictures(pb.ReportRequest, session, 0), BAD, "EmptyBatch"),
        ("Report", lambda _: iter([]), BAD, "InvalidInput"),
    ],
)
def test_what_is_wrong_is_refused_by_name_and_changes_nothing(
    bench: Bench, standing: str, rpc: str, request_: Callable[[str], Any], code: grpc.StatusCode, name: str
) -> None:
    before = bench.call("GetSession", pb.GetSessionRequest(session=standing))
    assert refused(bench, rpc, request_(standing))[:2] == (code, name)
    assert bench.call("GetSession", pb.GetSessionRequest(session=standing)) == before


def test_a_value_is_compared_with_the_float_runs_and_drawn(bench: Bench, standing: str) -> None:
    visit = bench.call("Look", pb.LookRequest(session=standing, layer=SECOND)).visit
    asked = pb.CompareRequest(session=standing, layer=SECOND, with_float=True, draw=True)
    reply = bench.call("Compare", asked)
    assert reply.difference.layer == SECOND
    assert reply.difference.sqnr_db == pytest.approx(visit.sqnr_db, abs=0.5)  # that one is of a sample
    drawn = Image.open(io.BytesIO(reply.png))
    assert (drawn.mode, drawn.getextrema()) == ("L", (0, 255))
    same = bench.call("Compare", pb.CompareRequest(session=standing, branch="main", draw=True))
    assert Image.open(io.BytesIO(same.png)).getextrema() == (0, 0)


def test_five_pictures_come_out_of_one_in_its_shape(bench: Bench) -> None:
    pictures = bench.call("Augment", pb.AugmentRequest(picture=PICTURE, most_side=64))
    assert [each.name for each in pictures] == ["original", "rotated", "blurred", "flipped", "flopped"]
    first, *others = (np.asarray(Image.open(io.BytesIO(each.picture))) for each in pictures)
    assert max(first.shape[:2]) == 64
    assert np.array_equal(others[3], first[:, ::-1])
    assert all(each.shape == first.shape and not np.array_equal(each, first) for each in others)
    assert refused(bench, "Augment", pb.AugmentRequest(picture=b"no picture"))[:2] == (BAD, "NotAPicture")


def test_calibrating_over_edits_is_refused_unless_they_may_go(bench: Bench) -> None:
    session = bench.open()
    bench.call("Step", pb.StepRequest(session=session, forward=1))
    bench.call("Edit", ASKED["Edit"].request(session))
    assert refused(bench, "Calibrate", with_pictures(pb.CalibrateRequest, session))[0] == WRONG_MOMENT
    asked = with_pictures(pb.CalibrateRequest, session, algorithm="minmax", discard_edits=True)
    integer_file = bench.call("Calibrate", asked)[-1].calibrated.integer_file
    found = bench.call("GetSession", pb.GetSessionRequest(session=session)).session
    assert (found.edits, found.layer, found.calibrated_on_picture) == (0, "", False)
    assert integer_file


def test_integers_are_made_of_the_picture_for_want_of_others(bench: Bench) -> None:
    model_file = bench.upload(detector())
    for mode, made in ((pb.MODE_INT8, True), (pb.MODE_FLOAT, False)):
        session = bench.open(mode, model_file=model_file)
        found = bench.call("GetSession", pb.GetSessionRequest(session=session)).session
        assert (found.calibrated, found.calibrated_on_picture) == (made, made)


def test_a_variant_opens_again_to_the_same_value(bench: Bench) -> None:
    session = bench.open()
    bench.call("Step", pb.StepRequest(session=session, forward=1))
    bench.call("Edit", ASKED["Edit"].request(session))
    saved = bench.call("SaveVariant", pb.SaveVariantRequest(session=session, name="louder"))
    files = {"model_file": saved.model_file, "integer_file": saved.integer_file}
    again = bench.open(**files)
    assert bench.call("GetSession", pb.GetSessionRequest(session=again)).session.model == "louder"
    assert values(bench, again) == values(bench, session)
    assert (
        refused(bench, "OpenSession", pb.OpenSessionRequest(picture=PICTURE, mode=pb.MODE_INT8, **files), "z" * 20)[0]
        == GONE
    )


def values(bench: Bench, session: str) -> bytes:
    request = pb.ReadTensorRequest(session=session, layer=SECOND, kind=pb.ReadTensorRequest.KIND_VALUE)
    return b"".join(each.piece for each in bench.call("ReadTensor", request))


def test_a_killed_process_comes_back_at_the_same_layer_with_the_same_edits(tmp_path: Path) -> None:
    store = str(tmp_path)
    with running(store) as bench:
        session = bench.open()
        bench.call("Step", pb.StepRequest(session=session, forward=1))
        bench.call("Edit", pb.EditRequest(session=session, weights=number(0.5, 3)))
        bench.call("Branch", pb.BranchRequest(session=session, name="other"))
        bench.call("Edit", pb.EditRequest(session=session, scale=pb.EditRequest.Scale(channel=1, scale=0.25)))
        bench.call("Step", pb.StepRequest(session=session, forward=1))
        bench.call("Switch", pb.SwitchRequest(session=session, name="main"))
        bench.call("Edit", pb.EditRequest(session=session, codes=number(-7, 0)))
        bench.call("Undo", pb.UndoRequest(session=session))
        before = state(bench, session)
        bench.process.send_signal(signal.SIGKILL)
        bench.process.wait()
    with running(store) as bench:
        assert state(bench, session) == before
        assert bench.call("GetSession", pb.GetSessionRequest(session=session)).session.edits == 1


def state(bench: Bench, session: str) -> list[tuple[pb.Session, pb.Visit, bytes]]:
    """Of both branches, where they stand and what they show."""
    found = []
    for branch in ("other", "main"):
        stands = bench.call("Switch", pb.SwitchRequest(session=session, name=branch)).session
        visit = bench.call("Look", pb.LookRequest(session=session)).visit
        found.append((stands, visit, values(bench, session)))
    return found


def test_sessions_that_do_not_fit_into_memory_are_opened_again(narrow: Bench) -> None:
    sessions = [narrow.open(pb.MODE_FLOAT) for _ in range(3)]
    for steps, session in enumerate(sessions, 1):
        narrow.call("Step", pb.StepRequest(session=session, forward=steps))
    for steps, session in enumerate(sessions, 1):
        assert narrow.call("Look", pb.LookRequest(session=session)).visit.index == steps - 1


def test_a_session_whose_model_was_removed_says_so_and_opens_once_that_is_there_again(narrow: Bench) -> None:
    hers = "owner-of-a-removed-file"
    file = narrow.upload(detector(), hers)
    session = narrow.open(pb.MODE_FLOAT, hers, model_file=file)
    narrow.call("Step", pb.StepRequest(session=session, forward=2), hers)
    narrow.call("RemoveFile", pb.RemoveFileRequest(file=file), hers)
    narrow.open(pb.MODE_FLOAT)  # which takes its place in memory; the same file of another owner is of no use to her
    asked = pb.LookRequest(session=session)
    code, name, words = refused(narrow, "Look", asked, hers)
    assert (code, name) == (WRONG_MOMENT, "SessionFileGone")
    assert "upload it again" in words
    narrow.open(pb.MODE_FLOAT, hers, model_file=narrow.upload(detector(), hers))
    assert narrow.call("Look", asked, hers).visit.layer == SECOND


def test_a_session_needs_no_torchvision(narrow: Bench) -> None:
    """Its import takes a process as long as torch's."""
    narrow.open(pb.MODE_INT8)
    mapped = Path(f"/proc/{narrow.process.pid}/maps").read_text()
    assert "torchvision" not in mapped
    assert "libtorch" in mapped


def test_who_hangs_up_stops_his_work_and_the_session_goes_on(bench: Bench) -> None:
    session = bench.open()
    asked = with_pictures(pb.CalibrateRequest, session, 40, augment=True)
    stream = bench.stub.Calibrate(asked, metadata=(("strata-owner", bench.owner),))
    next(iter(stream))
    stream.cancel()
    began = time.monotonic()
    bench.call("Step", pb.StepRequest(session=session, forward=1))
    assert time.monotonic() - began < 30  # all forty take minutes
    assert bench.call("GetSession", pb.GetSessionRequest(session=session)).session.edits == 0


def test_a_deadline_that_passes_stops_the_work(bench: Bench) -> None:
    session = bench.open()
    asked = with_pictures(pb.CalibrateRequest, session, 40, augment=True)
    with pytest.raises(grpc.RpcError) as caught:
        list(bench.stub.Calibrate(asked, metadata=(("strata-owner", bench.owner),), timeout=0.5))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert bench.call("GetSession", pb.GetSessionRequest(session=session)).session.edits == 0


def test_a_file_over_the_limit_is_refused_and_not_kept(narrow: Bench) -> None:
    pieces = (pb.UploadFileRequest(piece=b"x" * 100_000) for _ in range(80))
    assert refused(narrow, "UploadFile", pieces)[:2] == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TooLarge")
    assert not [path for path in narrow.store.rglob("*") if path.is_file() and b"x" * 1000 in path.read_bytes()]


def test_health_and_reflection_answer(bench: Bench) -> None:
    health: Any = health_pb2_grpc.HealthStub(bench.channel)
    assert health.Check(health_pb2.HealthCheckRequest(service=SERVICE.full_name)).status == 1
    database = ProtoReflectionDescriptorDatabase(bench.channel)
    assert SERVICE.full_name in database.get_services()


def test_a_process_that_is_asked_to_stop_ends_with_0(narrow: Bench) -> None:
    narrow.process.send_signal(signal.SIGTERM)  # the last test that asks it
    assert narrow.process.wait(20) == 0


def test_a_workbench_with_a_key_believes_signed_tokens_alone(tmp_path: Path) -> None:
    key = "a-key-of-thirty-two-letters-or-so"
    tokens = [sign_owner(key, time.time, owner) for owner in ("ada", "eve", "ada")]
    with running(str(tmp_path), WORKBENCH_TOKEN_KEY=key) as bench:
        session = bench.open(owner=tokens[0])
        assert bench.call("GetSession", pb.GetSessionRequest(session=session), tokens[2]).session.id == session
        for token, code in (
            (tokens[1], grpc.StatusCode.NOT_FOUND),
            ("ada-who-has-no-key", grpc.StatusCode.UNAUTHENTICATED),
            (sign_owner("o" * 32, time.time, "ada"), grpc.StatusCode.UNAUTHENTICATED),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                bench.call("GetSession", pb.GetSessionRequest(session=session), token)
            assert cast(grpc.Call, refused.value).code() is code
        tried = other_peoples_rpcs(f"127.0.0.1:{bench.port}", key)
        assert tried.let_in == []
        assert tried.tried > 40
