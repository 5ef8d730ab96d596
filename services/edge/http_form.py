"""Files in a form over HTTP: `multipart/form-data`, whole or not at all."""

import logging
from collections.abc import AsyncGenerator

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from services.edge.errors import BatchTooLarge, EmptyBatch, InvalidInput

# It warns of every malformed form: its sender has to know that, and the log need not fill.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


def is_form(headers: Headers) -> bool:
    """Tell whether a body is a form.

    Raises:
        InvalidInput: it has parts and is not one.
    """
    kind = parse_options_header(headers.get("content-type", ""))[0].lower()
    if kind.startswith(b"multipart/") and kind != b"multipart/form-data":
        raise InvalidInput(f"Content-Type {kind.decode()}: send a body of parts as multipart/form-data")
    return kind == b"multipart/form-data"


async def read_form_files(request: Request, *names: str, most: int) -> dict[str, tuple[bytes, ...]]:
    """Read the files of a form, each a part with one of the names, by these.

    Args:
        most: files that the form may have: each takes more than a kilobyte to read, however little it holds.
    Raises:
        EmptyBatch: there are no parts.
        BatchTooLarge: there are more than `most`.
        InvalidInput: no form, one that is cut off before its last boundary, or a part of another name, or of text.
    """
    known = " or ".join(f"'{name}'" for name in names)
    form = await _parse(request, most)
    try:
        if not form:
            raise EmptyBatch(f"the form has no part called {known}; send each file as one")
        contents: dict[str, list[bytes]] = {name: [] for name in names}
        for n, (part, value) in enumerate(form.multi_items()):
            if part not in contents:
                raise InvalidInput(f"part {n} of the form is called '{part}'; call each file's part {known}")
            if not isinstance(value, UploadFile):
                raise InvalidInput(f"part {n} of the form is text; send it as a file")
            contents[part].append(await value.read())
        return {name: tuple(files) for name, files in contents.items()}
    finally:
        await form.close()


async def _parse(request: Request, most: int) -> FormData:
    form = _WholeForm(request.headers, request.stream(), most)
    try:
        return await form.parse()
    except MultiPartException as error:
        if form.has_too_many:
            raise BatchTooLarge(f"more than {most} parts in one form: send them in several requests") from error
        raise InvalidInput(f"the body is not complete multipart/form-data: {error.message}") from error


class _WholeForm(MultiPartParser):
    """Refuses a form without the boundary that ends it, which the parser itself does not miss."""

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], most: int):
        super().__init__(headers, self._to_its_end(stream), max_files=most, max_fields=most)
        self._ended = False

    @property
    def has_too_many(self) -> bool:
        """More parts came than may."""
        return self._current_files > self.max_files or self._current_fields > self.max_fields

    def on_end(self) -> None:
        self._ended = True

    async def _to_its_end(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for piece in stream:
            yield piece
        if not self._ended:
            raise MultiPartException("it is cut off before its last boundary")
