"""The workbench over gRPC, on behalf of a user."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from services.console.domain import RunMode, RunOrder
from services.console.http_bodies import RunResultBody, body_of
from services.console.page_hints import no_session_yet, with_hint
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.edge.errors import NoAutoPlan
from services.edge.remote_errors import error_in_its_words

CALL_S = 60.0
OPEN_S = 600.0
"""A service from zero, a file of a gigabyte, a model of 700 layers."""
_PIECE_BYTES = 1 << 20

MODES = {
    RunMode.FLOAT: pb.MODE_FLOAT,
    RunMode.HYBRID: pb.MODE_HYBRID,
    RunMode.INT8: pb.MODE_INT8,
    RunMode.AUTO: pb.MODE_AUTO,
}


class WorkbenchClient:
    """Calls of users. Every call raises what the workbench raised; Unavailable where it does not answer.

    Args:
        channel: to the workbench, which it may start; asked for at each call.
        sign: a user's id -> a token that the workbench believes.
    """

    def __init__(self, channel: Callable[[], Awaitable[grpc.aio.Channel]], sign: Callable[[str], str]):
        self._channel, self._sign = channel, sign

    async def call(self, user: str, rpc: str, request: Any, timeout_s: float = CALL_S) -> Any:
        """One reply."""
        stub = pb_grpc.WorkbenchServiceStub(await self._channel())
        try:
            return await getattr(stub, rpc)(
                request, metadata=self._metadata(user), timeout=timeout_s, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            raise with_hint(error_in_its_words(error, "the workbench")) from error

    async def stream(self, user: str, rpc: str, request: Any, timeout_s: float = OPEN_S) -> AsyncIterator[Any]:
        """Replies as they come; who stops reading stops the work."""
        stub = pb_grpc.WorkbenchServiceStub(await self._channel())
        replies = getattr(stub, rpc)(request, metadata=self._metadata(user), timeout=timeout_s, wait_for_ready=True)
        try:
            async for reply in replies:
                yield reply
        except grpc.aio.AioRpcError as error:
            raise with_hint(error_in_its_words(error, "the workbench")) from error
        finally:
            replies.cancel()

    def _metadata(self, user: str) -> tuple[tuple[str, str], ...]:
        return (("strata-owner", self._sign(user)),)


class WorkbenchInference:
    """`runs.Inference` and `workbench_copies.CopyHolder` at the workbench."""

    def __init__(self, workbench: WorkbenchClient):
        self._workbench = workbench

    async def send_file(self, user: str, pieces: AsyncIterator[bytes]) -> str:
        async def messages() -> AsyncIterator[pb.UploadFileRequest]:
            async for piece in pieces:
                for at in range(0, len(piece), _PIECE_BYTES):
                    yield pb.UploadFileRequest(piece=piece[at : at + _PIECE_BYTES])

        file: str = (await self._workbench.call(user, "UploadFile", messages(), OPEN_S)).file
        return file

    async def remove_file(self, user: str, file: str) -> None:
        await self._workbench.call(user, "RemoveFile", pb.RemoveFileRequest(file=file))

    async def open(
        self, user: str, request: RunOrder, model_file: str, integer_file: str, picture: bytes, picture_name: str
    ) -> str:
        message = pb.OpenSessionRequest(
            picture=picture, picture_name=picture_name, mode=MODES[request.mode], integer_file=integer_file
        )
        if request.is_file:
            message.model_file = model_file
        else:
            named = pb.OpenSessionRequest.NamedModel(name=request.model, weights=request.weights, size=request.size)
            message.named.CopyFrom(named)
        try:
            session: str = (await self._workbench.call(user, "OpenSession", message, OPEN_S)).session.id
        except NoAutoPlan as error:
            raise no_session_yet(error) from error
        return session

    async def run(self, user: str, session: str, request: RunOrder) -> str:
        message = pb.RunRequest(session=session, top_k=request.top_k, threshold=request.threshold)
        reply = await self._workbench.call(user, "Run", message, OPEN_S)
        stands = (await self._workbench.call(user, "GetSession", pb.GetSessionRequest(session=session))).session
        return body_of(RunResultBody, reply).model_copy(update={"trained": stands.trained}).model_dump_json()

    async def close(self, user: str, session: str) -> None:
        await self._workbench.call(user, "CloseSession", pb.CloseSessionRequest(session=session))
