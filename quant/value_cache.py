"""Values kept by name and version, within a limit."""

from collections import OrderedDict

from quant.affine import Quantised, Value


class ValueCache:
    """The values used last, as many as fit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._values: OrderedDict[tuple[str, int], Value] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: tuple[str, int]) -> Value | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: tuple[str, int], value: Value) -> None:
        self._values[key] = value
        self.size_bytes += _size_bytes(value)
        while self.size_bytes > self._limit_bytes and len(self._values) > 1:
            _, dropped = self._values.popitem(last=False)
            self.size_bytes -= _size_bytes(dropped)


def _size_bytes(value: Value) -> int:
    return (value.codes if isinstance(value, Quantised) else value).nbytes
