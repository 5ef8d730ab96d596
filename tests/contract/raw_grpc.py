"""A gRPC caller by hand, in frames of HTTP/2, which stops wherever a test wants it to."""

import asyncio
import struct

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING = 0, 1, 3, 4, 6
_ACK, END_STREAM, _END_HEADERS = 1, 1, 4
_INITIAL_WINDOW_SIZE = 4


class RawCaller:
    """One connection; it takes `window_bytes` of each answer, and no more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer
        self._next_stream = 1

    @classmethod
    async def connect(cls, port: int, window_bytes: int = 65_535) -> "RawCaller":
        caller = cls(*await asyncio.open_connection("127.0.0.1", port))
        caller._writer.write(_PREFACE)
        caller._send(_SETTINGS, 0, 0, struct.pack("!HI", _INITIAL_WINDOW_SIZE, window_bytes))
        return caller

    def begin(self, path: str) -> int:
        """Send the headers of a call, and return its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        fields["content-type"] = "application/grpc"
        self._send(_HEADERS, _END_HEADERS, stream, b"".join(_literal(*field) for field in fields.items()))
        return stream

    def send(self, stream: int, data: bytes, flags: int = 0) -> None:
        """Send a part of its body."""
        self._send(_DATA, flags, stream, data)

    async def ended(self, stream: int) -> None:
        """Wait until the server ends a call; meanwhile its pings are answered, as by any caller that lives."""
        while True:
            length, kind, flags, of = struct.unpack("!3sBBI", await self._reader.readexactly(9))
            payload = await self._reader.readexactly(int.from_bytes(length, "big"))
            if kind == _PING and not flags & _ACK:
                self._send(_PING, _ACK, 0, payload)
            if kind == _SETTINGS and not flags & _ACK:
                self._send(_SETTINGS, _ACK, 0, b"")
            if of == stream and (kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & END_STREAM)):
                return

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self._writer.write(struct.pack("!3sBBI", len(payload).to_bytes(3, "big"), kind, flags, stream) + payload)


def message(body: bytes) -> bytes:
    """A message as gRPC has it in a body."""
    return b"\0" + struct.pack("!I", len(body)) + body


def _literal(name: str, value: str) -> bytes:
    """A header of HPACK, in neither table and not packed."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
