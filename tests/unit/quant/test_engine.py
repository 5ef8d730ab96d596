"""An engine stores values as its plan says, runs as it steps, and takes over what an edit left alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch
from torch import Tensor, nn

from quant.activation import Activation
from quant.affine import QParams, Quantised, as_float
from quant.calibration import calibrate
from quant.cpu import Cpu
from quant.engine import Engine
from quant.errors import LayerNotFound, NotCalibrated, WrongShape, WrongType
from quant.graph import INPUT, Graph, Layer
from quant.kernels.script import NotScriptable
from quant.observations import observe
from quant.operations import Concat, Conv2d, MaxPool, Operation, Pad, Slice, Upsample
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration
from quant.statistics import sqnr_db


@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.HYBRID, Mode.INT8])
def test_running_equals_going_layer_by_layer(
    graph: Graph, calibration: Calibration, pictures: list[Tensor], mode: Mode
) -> None:
    engine = Engine(graph, uniform_plan(graph, mode), calibration)
    last = {prepared.name: value for prepared, value in engine.values(pictures[0])}["head"]
    assert torch.equal(as_float(last), engine.run(pictures[0])["head"])


@pytest.mark.parametrize(("mode", "at_least_db"), [(Mode.FLOAT, 100.0), (Mode.HYBRID, 25.0), (Mode.INT8, 20.0)])
def test_every_mode_comes_near_the_definition(
    graph: Graph, calibration: Calibration, pictures: list[Tensor], mode: Mode, at_least_db: float
) -> None:
    found = Engine(graph, uniform_plan(graph, mode), calibration).run(pictures[1])["head"]
    assert sqnr_db(graph.run(pictures[1])["head"], found) > at_least_db


def test_a_run_leaves_its_input_alone_and_repeats(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration)
    x = pictures[0].clone()
    first = engine.run(x)["head"].clone()
    assert torch.equal(x, pictures[0])
    assert torch.equal(engine.run(x)["head"], first)


@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.HYBRID, Mode.INT8])
def test_later_runs_answer_as_first_ones_do(
    graph: Graph, calibration: Calibration, pictures: list[Tensor], mode: Mode
) -> None:
    plan = uniform_plan(graph, mode)
    engine = Engine(graph, plan, calibration)
    for picture in [*pictures, *pictures]:
        assert torch.equal(engine.run(picture)["head"], Engine(graph, plan, calibration).run(picture)["head"])


def test_a_run_without_a_script_goes_on_call_by_call(
    graph: Graph, pictures: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NotScriptable("no such operation")

    engine = Engine(graph, {})
    first = engine.run(pictures[0])["head"]
    monkeypatch.setattr("quant.engine.script", refuse)
    for _ in range(2):
        assert torch.equal(engine.run(pictures[0])["head"], first)


@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.HYBRID, Mode.INT8])
@pytest.mark.parametrize("view", [Slice(0, 4), Upsample(1), Pad((0, 0, 0, 0)), MaxPool((1, 1), (1, 1))], ids=str)
def test_a_residual_is_not_written_over_while_a_view_of_it_lives(mode: Mode, view: Operation) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 4, 6, 6)
    layers = (
        Layer("a", Conv2d(torch.randn(4, 4, 1, 1), torch.randn(4)), (INPUT,)),
        Layer("view", view, ("a",)),
        Layer("b", Conv2d(torch.randn(4, 4, 1, 1), torch.randn(4)), ("view", "a")),
        Layer("join", Concat(), ("b", "view")),
    )
    graph = Graph((4, 6, 6), layers, ("join",))
    found = calibrate(graph.layers, observe(graph, [x])).calibration
    engine = Engine(graph, uniform_plan(graph, mode), found)
    stepped = {prepared.name: as_float(value) for prepared, value in engine.values(x)}
    for _ in range(3):
        assert torch.equal(engine.run(x)["join"], stepped["join"])


def test_a_batch_answers_as_its_pictures_do(graph: Graph, calibration: Calibration, pictures: list[Tensor]) -> None:
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration)
    together = engine.run(torch.cat(pictures))["head"]
    assert torch.allclose(together, torch.cat([engine.run(picture)["head"] for picture in pictures]), atol=1e-5)


def test_batches_of_any_size_answer_one_after_the_other(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    plan = uniform_plan(graph, Mode.INT8)
    engine = Engine(graph, plan, calibration)
    for count in (1, 1, 2, 2, 3, 1, 4):
        x = torch.cat(pictures[:count])
        assert torch.equal(engine.run(x)["head"], Engine(graph, plan, calibration).run(x)["head"])


class Waits(nn.Module):
    """Is exported for as long as somebody else needs."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = Event(), Event()

    def forward(self, x: Tensor) -> Tensor:
        self.begun.set()
        self.may_end.wait(30)
        return x + 1


def test_an_engine_runs_while_another_thread_exports_a_module(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    """Torch lets no script run meanwhile, whoever calls it."""
    engine, module = Engine(graph, uniform_plan(graph, Mode.INT8), calibration), Waits()
    wanted = [engine.run(pictures[0])["head"] for _ in range(3)]
    with ThreadPoolExecutor(1) as pool:
        exported = pool.submit(torch.export.export, module, (torch.zeros(1),), strict=False)
        assert module.begun.wait(30)
        try:
            wanted.append(engine.run(pictures[0])["head"])
        finally:
            module.may_end.set()
        exported.result()
    assert all(torch.equal(found, wanted[0]) for found in wanted)


def test_int8_keeps_codes_between_layers_and_floats_at_the_head(graph: Graph, calibration: Calibration) -> None:
    formats = Engine(graph, uniform_plan(graph, Mode.INT8), calibration).formats
    assert [name for name, stored in formats.items() if stored is None] == ["raw", "head"]


def test_hybrid_keeps_floats_everywhere(graph: Graph, calibration: Calibration) -> None:
    assert set(Engine(graph, uniform_plan(graph, Mode.HYBRID), calibration).formats.values()) == {None}


def test_a_mixed_plan_converts_where_precisions_meet(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    plan = uniform_plan(graph, Mode.INT8) | {"expand": Precision.FLOAT, "deep": Precision.HYBRID}
    engine = Engine(graph, plan, calibration)
    assert engine.layer("expand").wanted == (None,)
    assert engine.formats["expand"] == calibration.values["expand"]
    assert engine.formats["deep"] == calibration.values["deep"]
    assert sqnr_db(graph.run(pictures[0])["head"], engine.run(pictures[0])["head"]) > 20


def test_a_precision_without_a_kernel_falls_back_to_float(graph: Graph, calibration: Calibration) -> None:
    engine = Engine(graph, dict.fromkeys(uniform_plan(graph, Mode.INT8), Precision.INT8), calibration)
    assert engine.plan["head"] is Precision.FLOAT


def test_integers_without_a_calibration_are_refused(graph: Graph) -> None:
    with pytest.raises(NotCalibrated):
        Engine(graph, uniform_plan(graph, Mode.INT8))


def test_a_picture_of_another_size_is_refused(graph: Graph) -> None:
    with pytest.raises(WrongShape, match=r"expected \[N, 3, 16, 16\]"):
        Engine(graph, {}).run(torch.zeros(3, 16, 16))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.uint8], ids=str)
@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.INT8])
def test_a_picture_of_another_type_is_refused(
    graph: Graph, calibration: Calibration, mode: Mode, dtype: torch.dtype
) -> None:
    """The bits of a float64 would be taken for those of two numbers, and codes made of both."""
    engine, x = Engine(graph, uniform_plan(graph, mode), calibration), torch.zeros(1, 3, 16, 16, dtype=dtype)
    for run in (engine.run, graph.run):
        with pytest.raises(WrongType, match="expected float32"):
            run(x)


def test_an_unknown_layer_is_refused(graph: Graph) -> None:
    with pytest.raises(LayerNotFound):
        Engine(graph, {}).layer("nowhere")


def test_an_edit_packs_again_only_what_it_touches(graph: Graph, calibration: Calibration) -> None:
    before = Engine(graph, uniform_plan(graph, Mode.FLOAT), calibration)
    old = graph.layer("squeeze").operation
    assert isinstance(old, Conv2d)
    edited = graph.with_operation("squeeze", Conv2d(old.weight * 2, old.bias, activation=Activation.RELU))
    after = Engine(edited, uniform_plan(graph, Mode.FLOAT), calibration, reuse=before)
    assert [layer.name for layer, kept in zip(after.layers, before.layers, strict=True) if layer is not kept] == [
        "squeeze"
    ]


def test_a_changed_range_packs_again_its_maker_and_its_readers(graph: Graph, calibration: Calibration) -> None:
    plan = uniform_plan(graph, Mode.INT8)
    before = Engine(graph, plan, calibration)
    wider = Calibration({**calibration.values, "squeeze": QParams(0.5, 3)}, calibration.weights)
    after = Engine(graph, plan, wider, reuse=before)
    changed = [layer.name for layer, kept in zip(after.layers, before.layers, strict=True) if layer is not kept]
    assert changed == ["squeeze", "expand"]


def test_a_layer_takes_its_inputs_in_any_kind(graph: Graph, calibration: Calibration, pictures: list[Tensor]) -> None:
    layer = Engine(graph, uniform_plan(graph, Mode.INT8), calibration).layer("squeeze")
    x = dict(graph.values(pictures[0]))["stem"]
    from_floats = layer.run(x)
    other = QParams(0.001, 128)
    assert isinstance(from_floats, Quantised)
    assert isinstance(layer.run(Quantised(torch.zeros(1, 8, 16, 16, dtype=torch.uint8), other)), Quantised)


def test_without_an_exact_product_the_weights_run_as_seven_bits(
    graph: Graph, calibration: Calibration, pictures: list[Tensor]
) -> None:
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration, cpu=Cpu("AVX2", exact_8_bit=False))
    for prepared in engine.layers:
        if prepared.integer is not None:
            assert int(prepared.integer.weights.codes.abs().max()) <= 63
    assert engine.cpu.weight_bits == 7
    assert sqnr_db(graph.run(pictures[0])["head"], engine.run(pictures[0])["head"]) > 15


def test_the_input_is_stored_channels_last_whatever_it_came_as(graph: Graph, pictures: list[Tensor]) -> None:
    engine = Engine(graph, {})
    for x in (pictures[0], pictures[0].contiguous(memory_format=torch.channels_last)):
        stored = as_float(engine.enter(x))
        assert stored.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(stored, x)


def test_formats_name_the_input_too(graph: Graph, calibration: Calibration) -> None:
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration)
    assert engine.formats[INPUT] == calibration.values[INPUT]
