"""gRPC calls that stall keep no place: `call_places` says which of them give way, and when."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError

from services.edge.call_places import CallPlace, CallPlaces
from services.edge.errors import InvalidInput

_LOOK_EVERY_S = 1.0

_Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Read: TypeAlias = Callable[[_Context, CallPlace], Awaitable[Any]]


class StallsGiveWay(grpc.aio.ServerInterceptor):
    """Give each call a place, and read its messages here, where it is seen which call waits for its caller.

    gRPC's own limit on calls counts one from its headers on, and the library reads the one message of a call before it
    asks anybody. So a handler that takes one message stands here as one that takes a stream of them, which is the same
    to callers: it is asked when the headers are in, and reads its message itself.

    The library does not say how much of a message has come, so the limit is what the largest may take. It does not say
    that a caller has stopped to read either, and cannot take an answer back: such a call loses its place, and what it
    was answered stays in memory until it is read or the connection ends.
    """

    def __init__(self, places: CallPlaces):
        self._places = places
        self._looks = False

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return None
        read = self._messages if handler.request_streaming else self._message
        if handler.response_streaming:
            behaviour = handler.stream_stream or handler.unary_stream
            # What a coroutine writes to the context, as the library's `Watch` does, is a stream too.
            place = self._place_stream if inspect.isasyncgenfunction(behaviour) else self._place
            make = grpc.stream_stream_rpc_method_handler
        else:
            behaviour = handler.stream_unary or handler.unary_unary
            place, make = self._place, grpc.stream_unary_rpc_method_handler
        return make(place(behaviour, read), handler.request_deserializer, handler.response_serializer)

    def _place(self, behaviour: Callable[..., Awaitable[Any]], read: _Read) -> Callable[..., Awaitable[Any]]:
        async def placed(_: Any, context: _Context) -> Any:
            place = self._take()
            try:
                return await behaviour(await read(context, place), context)
            finally:
                self._await_reader(place)

        return placed

    def _place_stream(
        self, behaviour: Callable[..., AsyncIterator[Any]], read: _Read
    ) -> Callable[..., AsyncIterator[Any]]:
        async def placed(_: Any, context: _Context) -> AsyncIterator[Any]:
            place = self._take()
            try:
                async for reply in behaviour(await read(context, place), context):
                    yield reply
            finally:
                self._await_reader(place)

        return placed

    def _take(self) -> CallPlace:
        place = self._places.take()
        # Not the context's own callback: the context would hold itself by it, until a full collection.
        _call().add_done_callback(lambda _: place.leave())
        return place

    async def _message(self, context: _Context, place: CallPlace) -> Any:
        message = await self._read(context, place, has_limit=True)
        if message is grpc.aio.EOF:
            raise InvalidInput("the call ended without its message")
        return message

    async def _messages(self, context: _Context, place: CallPlace) -> AsyncIterator[Any]:
        async def messages() -> AsyncIterator[Any]:
            while (message := await self._read(context, place, has_limit=False)) is not grpc.aio.EOF:
                yield message

        return messages()

    async def _read(self, context: _Context, place: CallPlace, has_limit: bool) -> Any:
        place.await_message(_call().cancel, has_limit)
        self._look_later()
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if place.refusal:
                raise place.refusal from None
            raise
        except DecodeError as error:
            raise InvalidInput(f"the message is not what this call takes: {error}") from error
        place.go_on()
        return message

    def _await_reader(self, place: CallPlace) -> None:
        place.await_reader()
        self._look_later()

    def _look_later(self) -> None:
        if not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        self._looks = False
        if self._places.end_late():
            self._look_later()


def _call() -> asyncio.Task[Any]:
    """The task of the call that is answered; it lives until the answer is taken."""
    call = asyncio.current_task()
    assert call
    return call
