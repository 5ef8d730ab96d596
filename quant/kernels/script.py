"""A fixed sequence of torch operations as one TorchScript function: the same calls, without Python between them."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

Run = Callable[[Tensor], tuple[Tensor, ...]]

_NUMBERS: Mapping[object, int] = {
    torch.uint8: 0,
    torch.int8: 1,
    torch.int16: 2,
    torch.int32: 3,
    torch.int64: 4,
    torch.float32: 6,
    torch.bool: 11,
    torch.strided: 0,
    torch.contiguous_format: 0,
    torch.preserve_format: 1,
    torch.channels_last: 2,
}
"""TorchScript writes dtypes, layouts and memory formats as numbers."""


class NotScriptable(Exception):
    """There is no script for this run; it works call by call."""


def script(run: Run, x: Tensor) -> Run:
    """The operations `run` calls for x, recorded and compiled, with every other tensor they read kept as a constant.

    What `run` decides by shapes is decided once, so the result is for inputs of x's shape. `run` must be made of torch
    operations alone: what it computed from x elsewhere, as with numpy, would be taken for a constant.

    Raises:
        NotScriptable: an operation takes or gives something that a script cannot name, or TorchScript does not have it.
    """
    recorder = _Recorder(x)
    with recorder:
        outputs = run(x)
    function, constants = recorder.compile(outputs), recorder.constants
    # While any thread exports a module, torch lets no script run: it looks for this, and calls it instead.
    function._torchdynamo_inline = lambda x, _: list(run(x))

    def run_script(x: Tensor) -> tuple[Tensor, ...]:
        # not optimised: TorchScript cannot know that a residual's memory is written to, and might merge its copies
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            y: list[Tensor] = function(x, constants)
        return tuple(y)

    return run_script


class _Recorder(TorchDispatchMode):
    """Writes each operation down as a line of TorchScript."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.constants: list[Tensor] = []
        self._lines: list[str] = []
        self._names = WeakIdKeyDictionary({x: "x"})

    def __torch_dispatch__(
        self, operation: Any, types: object, args: Sequence[object] = (), kwargs: Mapping[str, object] | None = None
    ) -> object:
        kwargs = dict(kwargs or {})
        kinds = {argument.name: argument.type for argument in operation._schema.arguments}
        given = dict(zip(kinds, args, strict=False)) | kwargs
        # by name: view(dtype=3) and view(size=3) are two operations
        written = [f"{name}={self._write(value, kinds[name])}" for name, value in given.items()]
        y = operation(*args, **kwargs)
        results = y if isinstance(y, tuple | list) else (y,)
        names = [f"v{len(self._lines)}_{index}" for index in range(len(results))]
        namespace, name = operation._schema.name.split("::")
        if operation is torch.ops.aten.view.dtype:
            self._lines.append(f"{names[0]} = {_copy_as(y, *written)}")
        else:
            self._lines.append(f"{', '.join(names)} = torch.ops.{namespace}.{name}({', '.join(written)})")
        for result, name in zip(results, names, strict=True):
            if not isinstance(result, Tensor):
                raise NotScriptable(f"{operation} gives {type(result).__name__}, not a tensor")
            self._names[result] = name
        return y

    def compile(self, outputs: tuple[Tensor, ...]) -> Any:
        result = ", ".join(self._write(y, None) for y in outputs)
        # all at once: an instruction each would be a hundredth of a small model's run
        unpacked = [f"{', '.join(f'c{index}' for index in range(len(self.constants)))}, = c"] if self.constants else []
        body = [*unpacked, *self._lines, f"return [{result}]"]
        source = "def run(x: Tensor, c: List[Tensor]):\n" + "".join(f"    {line}\n" for line in body)
        try:
            return torch.jit.CompilationUnit(source).run
        except RuntimeError as error:
            raise NotScriptable(str(error)) from error

    def _write(self, value: object, kind: object) -> str:
        if isinstance(value, Tensor):
            if value not in self._names:
                self._names[value] = f"c{len(self.constants)}"
                self.constants.append(value)
            return str(self._names[value])
        if isinstance(value, tuple | list):
            return f"torch.jit.annotate({kind}, [{', '.join(self._write(part, None) for part in value)}])"
        if isinstance(value, float) and not math.isfinite(value):
            return f"float({str(value)!r})"
        if value is None or isinstance(value, bool | int | float | str):
            return repr(value)
        if isinstance(value, torch.device):
            return f"torch.device({str(value)!r})"
        if value in _NUMBERS:
            return str(_NUMBERS[value])
        raise NotScriptable(f"a script cannot name {value!r}")


def _copy_as(y: Tensor, x: str, dtype: str) -> str:
    """TorchScript cannot view memory as of another type, only copy it; in the order it lies in, y's layout is kept."""
    order = sorted(range(y.dim()), key=y.stride, reverse=True)
    back = [order.index(axis) for axis in range(y.dim())]
    return f"torch.ops.aten.view_copy(torch.ops.aten.permute({x}, dims={order}), {dtype}).permute({back})"
