"""strata.workbench.v1.WorkbenchService over the workbench: converts, calls, converts back."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc

from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.edge.errors import InvalidInput, TooLarge
from services.workbench import converters, requests
from services.workbench.comparison_messages import comparison_to_message
from services.workbench.events import Branched, Edited, Event, Moved, Switched, Undone
from services.workbench.long_work import Step
from services.workbench.open_sessions import SessionKey
from services.workbench.owner_store import check_owner, new_id
from services.workbench.pictures import EncodedPicture, decode_picture
from services.workbench.session import Session
from services.workbench.tensor_parts import read_tensor
from services.workbench.workbench import Workbench

SERVICE: str = pb.DESCRIPTOR.services_by_name["WorkbenchService"].full_name
OWNER_KEY = "strata-owner"
PIECE_BYTES = 1 << 20


_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class WorkbenchServicer(pb_grpc.WorkbenchServiceServicer):
    """One method an RPC; errors become status in `edge.grpc_server`.

    Args:
        names: of the catalog's models.
        max_pictures_bytes: of all pictures of one calibration or report.
        verify: a caller's token -> whom it is about, or Unauthenticated; without it the token is the owner itself, and
            who has none is given one.
    """

    def __init__(
        self,
        workbench: Workbench,
        names: Callable[[], list[str]],
        max_pictures_bytes: int,
        verify: Callable[[str], str] | None = None,
    ):
        self._workbench, self._names, self._max_pictures_bytes = workbench, names, max_pictures_bytes
        self._verify = verify

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register with a server."""
        pb_grpc.add_WorkbenchServiceServicer_to_server(self, server)

    async def ListModels(self, request: pb.ListModelsRequest, context: _Context) -> pb.ListModelsResponse:
        self._caller(context)
        return pb.ListModelsResponse(names=self._names())

    async def Augment(self, request: pb.AugmentRequest, context: _Context) -> AsyncIterator[pb.AugmentResponse]:
        self._caller(context)
        given = requests.picture_from_message(request.picture, request.picture_name)
        for name, png in await self._workbench.augment(given, request.most_side):
            yield pb.AugmentResponse(name=name, picture=png)

    async def UploadFile(
        self, request_iterator: AsyncIterator[pb.UploadFileRequest], context: _Context
    ) -> pb.UploadFileResponse:
        token, owner = self._caller(context)
        pieces = (request.piece async for request in request_iterator)
        file, size_bytes = await self._workbench.upload(owner, pieces)
        return pb.UploadFileResponse(file=file, size_bytes=size_bytes, owner=token)

    async def RemoveFile(self, request: pb.RemoveFileRequest, context: _Context) -> pb.RemoveFileResponse:
        await self._workbench.remove_file(self._owner(context), request.file)
        return pb.RemoveFileResponse()

    async def OpenSession(self, request: pb.OpenSessionRequest, context: _Context) -> pb.OpenSessionResponse:
        token, owner = self._caller(context)
        model, mode = requests.model_from_message(request), requests.mode_from_message(request.mode)
        if mode is None:
            raise InvalidInput("in which mode? give 1 (float), 2 (hybrid), 3 (int8) or 4 (auto)")
        picture = requests.picture_from_message(request.picture, request.picture_name)
        key = await self._workbench.open(owner, model, request.integer_file or None, picture, mode)
        return pb.OpenSessionResponse(session=await self._state(key), owner=token)

    async def GetSession(self, request: pb.GetSessionRequest, context: _Context) -> pb.GetSessionResponse:
        return pb.GetSessionResponse(session=await self._state(self._key(request, context)))

    async def CloseSession(self, request: pb.CloseSessionRequest, context: _Context) -> pb.CloseSessionResponse:
        await self._workbench.close(self._key(request, context))
        return pb.CloseSessionResponse()

    async def GetGraph(self, request: pb.GetGraphRequest, context: _Context) -> pb.GetGraphResponse:
        return await self._workbench.ask(self._key(request, context), converters.graph_to_message)

    async def GetLayer(self, request: pb.GetLayerRequest, context: _Context) -> pb.GetLayerResponse:
        card = await self._workbench.ask(self._key(request, context), lambda session: session.card(request.layer))
        return converters.card_to_message(card)

    async def Step(self, request: pb.StepRequest, context: _Context) -> pb.StepResponse:
        def step(session: Session) -> tuple[pb.StepResponse, Event]:
            visit = requests.step_from_message(request, session)
            return pb.StepResponse(visit=converters.visit_to_message(visit)), Moved(visit.layer)

        return await self._workbench.change(self._key(request, context), step)

    async def Look(self, request: pb.LookRequest, context: _Context) -> pb.LookResponse:
        def look(session: Session) -> pb.LookResponse:
            visit = session.look(request.layer)
            found = pb.LookResponse(visit=converters.visit_to_message(visit))
            if request.histogram:
                found.histogram.CopyFrom(converters.histogram_to_message(*session.histogram(visit.layer)))
            if request.sums and session.has_sums(visit.layer):
                found.sums.CopyFrom(converters.sums_to_message(*session.sum_range(visit.layer)))
            return found

        return await self._workbench.ask(self._key(request, context), look)

    async def DrawFeatureMaps(
        self, request: pb.DrawFeatureMapsRequest, context: _Context
    ) -> pb.DrawFeatureMapsResponse:
        def draw(session: Session) -> bytes:
            return session.drawn_maps(request.layer, request.most_side)

        return pb.DrawFeatureMapsResponse(png=await self._workbench.ask(self._key(request, context), draw))

    async def ReadTensor(
        self, request: pb.ReadTensorRequest, context: _Context
    ) -> AsyncIterator[pb.ReadTensorResponse]:
        part = requests.part_from_message(request.kind)
        found = await self._workbench.ask(
            self._key(request, context),
            lambda session: read_tensor(session, request.layer, part, request.first, request.count),
        )
        yield pb.ReadTensorResponse(shape=found.shape, dtype=found.dtype, piece=found.data[:PIECE_BYTES])
        for at in range(PIECE_BYTES, len(found.data), PIECE_BYTES):
            yield pb.ReadTensorResponse(piece=found.data[at : at + PIECE_BYTES])

    async def Edit(self, request: pb.EditRequest, context: _Context) -> pb.EditResponse:
        def edit(session: Session) -> tuple[pb.EditResponse, Event]:
            layer = session.info(request.layer).layer
            change = requests.edit_from_message(request, layer)
            return converters.edit_to_message(layer, session.edit(change)), Edited(change)

        return await self._workbench.change(self._key(request, context), edit)

    async def Undo(self, request: pb.UndoRequest, context: _Context) -> pb.UndoResponse:
        def undo(session: Session) -> tuple[pb.UndoResponse, Event]:
            session.undo()
            visit = converters.visit_to_message(session.look()) if session.layer else None
            return pb.UndoResponse(visit=visit), Undone()

        return await self._workbench.change(self._key(request, context), undo)

    async def Compare(self, request: pb.CompareRequest, context: _Context) -> pb.CompareResponse:
        def compare(session: Session) -> pb.CompareResponse:
            asked = requests.comparison_from_message(request)
            layer = session.info(request.layer).layer
            if request.draw:
                found, png = session.compare_and_draw(**asked, most_side=request.most_side)
            else:
                found, png = session.compare(**asked), b""
            return pb.CompareResponse(difference=converters.difference_to_message(layer, found), png=png)

        return await self._workbench.ask(self._key(request, context), compare)

    async def Branch(self, request: pb.BranchRequest, context: _Context) -> pb.BranchResponse:
        if not request.name:
            raise InvalidInput("a branch needs a name")

        def branch(session: Session) -> tuple[None, Event]:
            session.branch(request.name)
            return None, Branched(request.name)

        key = self._key(request, context)
        await self._workbench.change(key, branch)
        return pb.BranchResponse(session=await self._state(key))

    async def Switch(self, request: pb.SwitchRequest, context: _Context) -> pb.SwitchResponse:
        def switch(session: Session) -> tuple[None, Event]:
            session.switch(request.name)
            return None, Switched(request.name)

        key = self._key(request, context)
        await self._workbench.change(key, switch)
        return pb.SwitchResponse(session=await self._state(key))

    async def Run(self, request: pb.RunRequest, context: _Context) -> pb.RunResponse:
        mode = requests.mode_from_message(request.mode)
        naming = requests.naming_from_message(request)
        clock = None if request.untimed else self._workbench.clock

        def run(session: Session) -> pb.RunResponse:
            given = requests.picture_from_message(request.picture, request.picture_name) if request.picture else None
            picture = decode_picture(given.data, given.name) if given else None
            return converters.run_to_message(session.model, session.run(clock, mode, picture, **naming))

        return await self._workbench.ask(self._key(request, context), run)

    async def Cross(self, request: pb.CrossRequest, context: _Context) -> AsyncIterator[pb.CrossResponse]:
        mode = requests.mode_from_message(request.mode)
        async for each in self._workbench.cross(self._key(request, context), mode, request.layer or None):
            if isinstance(each, Step):
                yield pb.CrossResponse(progress=converters.progress_to_message(each))
            else:
                yield pb.CrossResponse(crossing=converters.crossing_to_message(each))

    async def Calibrate(
        self, request_iterator: AsyncIterator[pb.CalibrateRequest], context: _Context
    ) -> AsyncIterator[pb.CalibrateResponse]:
        options, pictures = await self._receive(request_iterator)
        asked = requests.calibration_from_message(options)
        async for each in self._workbench.calibrate(self._key(options, context), asked, pictures):
            if isinstance(each, Step):
                yield pb.CalibrateResponse(progress=converters.progress_to_message(each))
            else:
                yield pb.CalibrateResponse(calibrated=converters.calibrated_to_message(each))

    async def Report(
        self, request_iterator: AsyncIterator[pb.ReportRequest], context: _Context
    ) -> AsyncIterator[pb.ReportResponse]:
        options, pictures = await self._receive(request_iterator)
        async for each in self._workbench.report(self._key(options, context), pictures):
            if isinstance(each, Step):
                yield pb.ReportResponse(progress=converters.progress_to_message(each))
            else:
                yield pb.ReportResponse(measured=converters.report_to_message(each))

    async def CompareSessions(
        self, request_iterator: AsyncIterator[pb.CompareSessionsRequest], context: _Context
    ) -> AsyncIterator[pb.CompareSessionsResponse]:
        options, pictures = await self._receive(request_iterator)
        key = self._key(options, context)
        async for each in self._workbench.compare(key, SessionKey(key.owner, options.other), pictures):
            if isinstance(each, Step):
                yield pb.CompareSessionsResponse(progress=converters.progress_to_message(each))
            else:
                yield pb.CompareSessionsResponse(compared=comparison_to_message(each))

    async def SaveVariant(self, request: pb.SaveVariantRequest, context: _Context) -> pb.SaveVariantResponse:
        if not request.name:
            raise InvalidInput("a variant needs a name")
        saved = await self._workbench.save(self._key(request, context), request.name)
        return pb.SaveVariantResponse(model_file=saved.model_file, integer_file=saved.integer_file or "")

    async def Export(self, request: pb.ExportRequest, context: _Context) -> AsyncIterator[pb.ExportResponse]:
        exported = await self._workbench.export(self._key(request, context), request.name or None)
        for kind, data in (
            (pb.ExportResponse.KIND_MODEL, exported.model),
            (pb.ExportResponse.KIND_INTEGERS, exported.integers or b""),
        ):
            for at in range(0, len(data), PIECE_BYTES):
                yield pb.ExportResponse(kind=kind, piece=data[at : at + PIECE_BYTES])

    async def _state(self, key: SessionKey) -> pb.Session:
        opening = await self._workbench.opening(key)
        return await self._workbench.ask(
            key, lambda session: converters.session_to_message(key.session, session, opening)
        )

    async def _receive(self, messages: AsyncIterator[Any]) -> tuple[Any, list[EncodedPicture]]:
        """The options of the first message, and the pictures of all others, within the limit."""
        options, pictures, size_bytes = None, list[EncodedPicture](), 0
        async for message in messages:
            match message.WhichOneof("content"):
                case "options" if options is None and not pictures:
                    options = message.options
                case "picture" if options is not None:
                    size_bytes += len(message.picture.data)
                    if size_bytes > self._max_pictures_bytes:
                        raise TooLarge(f"the pictures are over {self._max_pictures_bytes} bytes together")
                    pictures.append(requests.pictures_from_message(message.picture, len(pictures) + 1))
                case _:
                    raise InvalidInput("send the options first, once, and then a picture in each message")
        if options is None:
            raise InvalidInput("send the options first, and then a picture in each message")
        return options, pictures

    def _caller(self, context: _Context) -> tuple[str, str]:
        """A caller's token and the owner it stands for; both new where none came and none is needed.

        Raises:
            InvalidInput: what came is not a token.
            Unauthenticated: the token is not one of ours, or one is needed and none came.
        """
        token = _token(context)
        if self._verify:
            return token or "", self._verify(token or "")
        owner = token or new_id()
        return owner, owner

    def _key(self, request: Any, context: _Context) -> SessionKey:
        """Whose session a request is about. Raises as `_owner`."""
        return SessionKey(self._owner(context), request.session)

    def _owner(self, context: _Context) -> str:
        """Whose things a request is about. Raises as `_caller`, and InvalidInput where nobody is named."""
        if not self._verify and _token(context) is None:
            raise InvalidInput(
                f"whose is it? send the owner token that OpenSession or UploadFile gave as the metadata `{OWNER_KEY}`"
            )
        return self._caller(context)[1]


def _token(context: _Context) -> str | None:
    """The owner token that came with a call; None where none did. Raises InvalidInput where it is not one."""
    given = [value for key, value in context.invocation_metadata() or () if key == OWNER_KEY]
    return check_owner(str(given[0])) if given else None
