"""The report's measurements, apart from how they are printed."""

import time
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from quant.graph import INPUT, Graph, Layer
from quant.operations import Conv2d, Flatten, Linear
from quant.scales import Calibration
from services.edge.errors import EmptyBatch
from services.edge.progress import no_progress
from services.workbench.engine_model import EngineModel
from services.workbench.pictures import DecodedPicture
from services.workbench.report import has_bfloat16, make_report, time_bfloat16
from services.zoo.integers import Integers

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="oneDNN has no bfloat16 on this processor")


def test_a_report_keeps_no_picture_but_the_first(model: EngineModel, calibration: Calibration, x: Tensor) -> None:
    seen: list[weakref.ref[Tensor]] = []

    class Watched:
        def __len__(self) -> int:
            return 4

        def __iter__(self) -> Iterator[DecodedPicture]:
            for _ in range(4):
                assert not any(each() is not None for each in seen[1:-1])
                pixels = (x[0] * 255).to(torch.uint8)
                seen.append(weakref.ref(pixels))
                yield DecodedPicture("it", pixels)
                del pixels

    found = make_report(model, Integers(calibration), Watched(), time.perf_counter, no_progress).report
    assert found.pictures == len(seen) == 4
    assert found.agreements["float"].fraction == 1


def test_a_report_of_no_picture_is_refused(model: EngineModel, calibration: Calibration) -> None:
    with pytest.raises(EmptyBatch):
        make_report(model, Integers(calibration), [], time.perf_counter, no_progress)


@needs_bfloat16
def test_bfloat16_is_timed_with_weights_that_are_packed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told by a clock that counts packings: none may fall between two readings."""
    packed = torch.ops.mkldnn._reorder_convolution_weight
    count = 0

    def counted(*arguments: object) -> Tensor:
        nonlocal count
        count += 1
        weight: Tensor = packed(*arguments)
        assert weight.dtype == torch.bfloat16
        return weight

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", counted)
    layers = (
        Layer("conv", Conv2d(torch.randn(8, 3, 3, 3), torch.randn(8)), (INPUT,)),
        Layer("again", Conv2d(torch.randn(8, 8, 3, 3), torch.randn(8)), ("conv",)),
    )
    graph = Graph((3, 16, 16), layers, ("again",))
    seconds = time_bfloat16(graph, torch.rand(1, 3, 16, 16), lambda: float(count))
    assert seconds == {"conv": 0, "again": 0}
    assert count == 2


@needs_bfloat16
def test_linear_layers_are_timed_in_bfloat16_too() -> None:
    graph = Graph(
        (3, 4, 4),
        (Layer("flat", Flatten(), (INPUT,)), Layer("scores", Linear(torch.randn(5, 48), torch.randn(5)), ("flat",))),
        ("scores",),
    )
    assert time_bfloat16(graph, torch.rand(1, 3, 4, 4), time.perf_counter)["scores"] > 0


def test_without_bfloat16_nothing_is_timed_in_it(
    monkeypatch: pytest.MonkeyPatch, model: EngineModel, x: Tensor
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert time_bfloat16(model.graph, x, time.perf_counter) == {}
