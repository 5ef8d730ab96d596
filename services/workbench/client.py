"""A workbench elsewhere: its sessions are used as `Session` is, and give the same values and errors."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar, Unpack

import grpc
import torch
from torch import Tensor

from quant.crossing import Crossing
from quant.edits import Edit
from quant.layer_info import LayerInfo
from quant.precision import Mode
from quant.stepping import Difference, Visit
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.edge.address import split_address
from services.edge.errors import NoIntegers, TensorNotFound, Unavailable
from services.edge.grpc_channel import open_blocking_channel
from services.edge.progress import Progress, no_progress
from services.edge.remote_errors import error_in_its_words
from services.workbench import replies
from services.workbench.calibrating import CalibrationSummary
from services.workbench.comparing import VariantComparison
from services.workbench.comparison_messages import comparison_of
from services.workbench.edit_result import EditResult
from services.workbench.engine_model import EngineModel
from services.workbench.exporting import Exported
from services.workbench.findings import Findings
from services.workbench.layer_card import LayerCard, TensorPart
from services.workbench.model_codec import decode_model
from services.workbench.owner_store import new_id
from services.workbench.pictures import EncodedPicture
from services.workbench.replies import RemoteModel
from services.workbench.report import Report
from services.workbench.requests import MODES, PARTS
from services.workbench.running import Naming, PictureRun
from services.workbench.session_log import NamedModel
from services.workbench.workbench import CalibrationRequest
from services.zoo.integer_codec import decode_integers
from services.zoo.integers import Integers, Machine

PIECE_BYTES = 1 << 20
_CONNECT_S = 10.0
_MODES = {mode: number for number, mode in MODES.items()}
_KINDS = {part: number for number, part in PARTS.items()}

Reply = TypeVar("Reply")


class RemoteWorkbench:
    """Opens sessions of one owner.

    Every call raises what the workbench raised; Unavailable where it does not answer.

    Args:
        address: host:port, as `split_address` reads it.
        owner: the caller's token; by default a new one, whose sessions only this client finds.
    """

    def __init__(self, address: str, owner: str | None = None) -> None:
        self._address, self._channel = address, open_blocking_channel(address)
        self._stub = pb_grpc.WorkbenchServiceStub(self._channel)
        self._metadata = (("strata-owner", owner or new_id()),)

    def __enter__(self) -> Self:
        try:
            socket.getaddrinfo(*split_address(self._address))  # gRPC takes a name that means nothing for a slow one
            grpc.channel_ready_future(self._channel).result(_CONNECT_S)
        except socket.gaierror as error:
            raise self._unreachable(f": no host has this name here ({error.strerror}); check it") from None
        except grpc.FutureTimeoutError:
            raise self._unreachable(f" within {_CONNECT_S:g} s; `strata quant serve` starts one there") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def _unreachable(self, why: str) -> Unavailable:
        self._channel.close()
        return Unavailable(f"no workbench can be reached at {self._address}{why}")

    def call(self, rpc: str, request: Any) -> Any:
        """One reply."""
        try:
            return getattr(self._stub, rpc)(request, metadata=self._metadata)
        except grpc.RpcError as error:
            raise error_in_its_words(error, "the workbench") from error

    def stream(self, rpc: str, request: Any) -> Iterator[Any]:
        """Replies as they come; who stops reading stops the work."""
        replies_ = getattr(self._stub, rpc)(request, metadata=self._metadata)
        try:
            yield from replies_
        except grpc.RpcError as error:
            raise error_in_its_words(error, "the workbench") from error
        finally:
            replies_.cancel()

    def upload(self, content: bytes) -> str:
        """Keep a `.strata` or `.integers` file there; its id."""
        pieces = (
            pb.UploadFileRequest(piece=content[at : at + PIECE_BYTES]) for at in range(0, len(content), PIECE_BYTES)
        )
        file: str = self.call("UploadFile", pieces).file
        return file

    def remove_file(self, file: str) -> None:
        """Forget a file there. Raises ArtifactNotFound."""
        self.call("RemoveFile", pb.RemoveFileRequest(file=file))

    def open(
        self, model: NamedModel | bytes, integers: bytes | None, picture: EncodedPicture, mode: Mode
    ) -> "RemoteSession":
        """Open a session; what is sent for it goes when the session is closed, or is not opened.

        Args:
            model: of the catalog there, or the content of a `.strata` file.
            integers: the content of an `.integers` file; None calibrates on the picture where the mode needs integers.
        """
        request = pb.OpenSessionRequest(picture=picture.data, picture_name=picture.name, mode=_MODES[mode])
        with ExitStack() as files:
            if isinstance(model, NamedModel):
                request.named.MergeFrom(
                    pb.OpenSessionRequest.NamedModel(name=model.name, weights=model.weights or "", size=model.size or 0)
                )
            else:
                request.model_file = self._lend(model, files)
            if integers is not None:
                request.integer_file = self._lend(integers, files)
            return RemoteSession(self, self.call("OpenSession", request).session, files=files.pop_all())

    def _lend(self, content: bytes, files: ExitStack) -> str:
        """Send a file; it is removed when `files` end."""
        file = self.upload(content)
        files.callback(self.remove_file, file)
        return file


@dataclass
class RemoteSession:
    """One session there; its methods are those of `Session`. `files` removes those that go with it."""

    workbench: RemoteWorkbench
    stands: pb.Session
    files: ExitStack = field(default_factory=ExitStack)
    _graph: pb.GetGraphResponse | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.files:
            self._call("CloseSession", pb.CloseSessionRequest)

    @property
    def model(self) -> RemoteModel:
        return replies.model_of(self.stands)

    @property
    def mode(self) -> Mode:
        return MODES[self.stands.mode]

    @property
    def machine(self) -> Machine:
        return Machine(self.stands.isa, self.stands.threads)

    @property
    def layers(self) -> tuple[str, ...]:
        if self._graph is None:
            self._graph = self._call("GetGraph", pb.GetGraphRequest)
        return tuple(layer.name for layer in self._graph.layers)

    def infos(self) -> list[LayerInfo]:
        return [replies.info_of(layer) for layer in self._call("GetGraph", pb.GetGraphRequest).layers]

    @property
    def layer(self) -> str | None:
        return self.stands.layer or None

    @property
    def branch_name(self) -> str:
        return self.stands.branch

    @property
    def branches(self) -> tuple[str, ...]:
        return tuple(self.stands.branches)

    @property
    def loses_auto_plan(self) -> bool:
        return self.stands.has_auto_plan and self.stands.edits > 0

    def step(self) -> Visit:
        return self._step(forward=1)

    def back(self) -> Visit:
        return self._step(back=1)

    def jump(self, layer: str) -> Visit:
        return self._step(layer=layer)

    def look(self, layer: str | None = None) -> Visit:
        return replies.visit_of(self._call("Look", pb.LookRequest, layer=layer or "").visit)

    def info(self, layer: str | None = None) -> LayerInfo:
        return self.card(layer).info

    def card(self, layer: str | None = None) -> LayerCard:
        return replies.card_of(self._call("GetLayer", pb.GetLayerRequest, layer=layer or ""))

    def tensor(self, part: TensorPart, layer: str | None = None) -> Tensor:
        request = pb.ReadTensorRequest(session=self.stands.id, layer=layer or "", kind=_KINDS[part])
        return replies.tensor_of(self.workbench.stream("ReadTensor", request))

    def histogram(self, layer: str | None = None) -> tuple[Tensor, Tensor]:
        found = self._call("Look", pb.LookRequest, layer=layer or "", histogram=True).histogram
        return torch.tensor(found.edges), torch.tensor(found.counts)

    def drawn_maps(self, layer: str | None = None) -> bytes:
        png: bytes = self._call("DrawFeatureMaps", pb.DrawFeatureMapsRequest, layer=layer or "").png
        return png

    def sum_range(self, layer: str | None = None) -> tuple[int, int, int]:
        reply = self._call("Look", pb.LookRequest, layer=layer or "", sums=True)
        if not reply.HasField("sums"):
            raise TensorNotFound(f"layer {reply.visit.layer!r} has no integer sums: it runs without an integer product")
        return reply.sums.low, reply.sums.high, reply.sums.count

    def edit(self, edit: Edit) -> EditResult:
        request = replies.edit_request(self.stands.id, edit)
        found = replies.edit_result_of(self.workbench.call("Edit", request))
        self.stands.edits += 1
        return found

    def undo(self) -> None:
        self._call("Undo", pb.UndoRequest)
        self.stands.edits -= 1

    def compare(self, branch: str | None = None) -> Difference:
        return replies.difference_of(self._call("Compare", pb.CompareRequest, branch=branch or "").difference)

    def branch(self, name: str) -> None:
        self.stands = self._call("Branch", pb.BranchRequest, name=name).session

    def switch(self, name: str) -> None:
        self.stands = self._call("Switch", pb.SwitchRequest, name=name).session

    def rerun(self, *, threshold: float = 0.5, top: int = 5) -> Findings:
        return self._run(untimed=True, threshold=threshold, top_k=top).findings

    def run(self, clock: object, **naming: Unpack[Naming]) -> PictureRun:
        """Run and time; the clock there counts."""
        return self._run(untimed=clock is None, threshold=naming.get("threshold", 0.5), top_k=naming.get("top", 5))

    def cross(self) -> Iterator[Crossing]:
        rows = self.workbench.stream("Cross", pb.CrossRequest(session=self.stands.id))
        return (replies.crossing_of(row.crossing) for row in rows if row.HasField("crossing"))

    def cross_one(self, layer: str) -> Crossing:
        rows = self.workbench.stream("Cross", pb.CrossRequest(session=self.stands.id, layer=layer))
        (row,) = [row for row in rows if row.HasField("crossing")]
        return replies.crossing_of(row.crossing)

    def calibrate(
        self, request: CalibrationRequest, pictures: Iterable[EncodedPicture], progress: Progress = no_progress
    ) -> CalibrationSummary:
        """Calibrate there."""
        options = replies.calibration_options(self.stands.id, request)
        messages = _with_pictures(pb.CalibrateRequest, options, pictures)
        last = _last(self.workbench.stream("Calibrate", messages), progress)
        return replies.calibration_of(last.calibrated, request.algorithm)

    def report(self, pictures: Iterable[EncodedPicture], progress: Progress = no_progress) -> Report:
        """Measure there."""
        options = pb.ReportRequest.Options(session=self.stands.id)
        messages = _with_pictures(pb.ReportRequest, options, pictures)
        return replies.report_of(_last(self.workbench.stream("Report", messages), progress).measured)

    def compare_with(
        self, other: "RemoteSession", pictures: Iterable[EncodedPicture], progress: Progress = no_progress
    ) -> VariantComparison:
        """Compare this session's model with another session's there."""
        options = pb.CompareSessionsRequest.Options(session=self.stands.id, other=other.stands.id)
        messages = _with_pictures(pb.CompareSessionsRequest, options, pictures)
        return comparison_of(_last(self.workbench.stream("CompareSessions", messages), progress).compared)

    def export(self, name: str = "") -> Exported:
        """The bytes of the model's files as it is edited now."""
        parts: dict[int, list[bytes]] = {pb.ExportResponse.KIND_MODEL: [], pb.ExportResponse.KIND_INTEGERS: []}
        for reply in self.workbench.stream("Export", pb.ExportRequest(session=self.stands.id, name=name)):
            parts[reply.kind].append(reply.piece)
        model, integers = map(b"".join, parts.values())
        return Exported(model, integers or None)

    def keep(self, name: str) -> tuple[EngineModel, Integers | None]:
        exported = self.export(name)
        model = decode_model(exported.model)
        return model, decode_integers(exported.integers, model) if exported.integers else None

    def integers(self) -> bytes:
        """The bytes of the integers' file. Raises NoIntegers."""
        integers = self.export().integers
        if integers is None:
            raise NoIntegers(f"{self.stands.model} has no integers: calibrate it first")
        return integers

    def _step(self, **where: Any) -> Visit:
        visit = replies.visit_of(self._call("Step", pb.StepRequest, **where).visit)
        self.stands.layer = visit.layer
        return visit

    def _run(self, **fields: Any) -> PictureRun:
        return replies.run_of(self._call("Run", pb.RunRequest, **fields))

    def _call(self, rpc: str, request: Callable[..., Any], **fields: Any) -> Any:
        return self.workbench.call(rpc, request(session=self.stands.id, **fields))


def _with_pictures(request: Callable[..., Any], options: Any, pictures: Iterable[EncodedPicture]) -> Iterator[Any]:
    yield request(options=options)
    for picture in pictures:
        yield request(picture=pb.Picture(data=picture.data, name=picture.name, label=picture.label))


def _last(replies_: Iterator[Any], progress: Progress) -> Any:
    """The last message of a stream; those before say where the work is."""
    last: Any = None
    for last in replies_:
        if last.HasField("progress"):
            progress(last.progress.step, last.progress.done, last.progress.total)
    return last
