"""What every test runs under.

One OpenMP thread a process, here and in the processes that tests start, so that two workers of pytest share two cores;
`make test-processors` asks for others. Torch reads it once, when it is imported. Hypothesis holds no example to a time.
"""

import gc
import os
import sys
from collections.abc import Callable, Generator, Iterator
from functools import cache, wraps
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes is the machine's matter.
settings.register_profile("strata", deadline=None)
settings.load_profile("strata")

os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
LONGEST = [HERE / folder for folder in ("web", "architecture", "unit/zoo", "contract")]
"""The folders whose files take a worker longest, in the order in which they begin."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the short files be the last: for a long one all other workers would wait.

    Not by pytest's arguments: it leaves out a folder that is in another of them, and with it the order.
    """
    items.sort(key=lambda item: [folder not in item.path.parents for folder in LONGEST])


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import what all tests need, which each worker does, for half of what it costs.

    Coverage's trace makes each instruction of Python dearer: it is on where our own modules are imported, and nowhere
    else. What is imported stays to the end: the collector of garbage is not to go through it, neither now nor later.
    """
    trace = sys.gettrace()
    gc.disable()
    sys.settrace(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SourceFileLoader, "exec_module", _traced_where_ours(SourceFileLoader.exec_module, trace))
        try:
            return (yield)
        finally:
            sys.settrace(trace)
            gc.freeze()
            gc.enable()


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    """Undo what a test asked of torch: commands and benchmarks choose threads for their whole process."""
    yield
    if torch := sys.modules.get("torch"):
        threads = int(os.environ["OMP_NUM_THREADS"])
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def _coverage_looks_away_from_exporters() -> Iterator[None]:
    """Torch's exporters run a million lines that are not ours; where each is traced, they take half as long again."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.gettrace() and "torch" in sys.modules:
            import torch.onnx

            for place, name in (
                (torch.export, "export"),
                (torch.export, "save"),
                (torch.export, "load"),
                (torch.export.ExportedProgram, "run_decompositions"),
                (torch.onnx, "export"),
            ):
                patch.setattr(place, name, _untraced(getattr(place, name)))
        yield


@pytest.fixture(autouse=True, scope="session")
def _torch_reads_onnx_operators_once() -> Iterator[None]:
    """For every export to ONNX torch compiles the source of its 500 operators anew: two thirds of a small network's."""
    with pytest.MonkeyPatch.context() as patch:
        if "torch" in sys.modules:
            import torch.onnx

            patch.setattr(torch.onnx, "export", _with_operators_kept(torch.onnx.export, patch))
        yield


def _traced_where_ours(exec_module: Callable[..., None], trace: Any) -> Callable[..., None]:
    def call(loader: SourceFileLoader, module: ModuleType) -> None:
        before = sys.gettrace()
        sys.settrace(trace if module.__name__.partition(".")[0] in ("quant", "services") else None)
        try:
            exec_module(loader, module)
        finally:
            sys.settrace(before)

    return call


def _with_operators_kept(export: Callable[..., Any], patch: pytest.MonkeyPatch) -> Callable[..., Any]:
    @cache
    def keep() -> None:
        # Here: it takes half a second to import, and most processes export nothing.
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))

    @wraps(export)
    def call(*arguments: Any, **options: Any) -> Any:
        keep()
        return export(*arguments, **options)

    return call


def _untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        trace = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **options)
        finally:
            sys.settrace(trace)

    return call
