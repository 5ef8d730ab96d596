"""Stepping equals running; edits re-run only what follows; memory stays bounded."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quant.activation import Activation
from quant.affine import Quantised, Value, as_float
from quant.decibels import NO_NOISE_DB
from quant.edits import EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.engine import Engine
from quant.errors import InvalidEdit, LayerNotFound, NonFiniteValue, NotCalibrated, WrongShape
from quant.kernels.prepared import PreparedLayer
from quant.operations import Conv2d
from quant.precision import Mode, Precision, uniform_plan
from quant.stepping import Stepper
from quant.variant import Variant
from tests.unit.quant.whole_ranges import whole_ranges


@pytest.fixture
def stepper(variant: Variant, pictures: list[Tensor]) -> Stepper:
    return Stepper(variant, pictures[0])


ZERO = torch.tensor(0.0)


@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.HYBRID, Mode.INT8])
def test_stepping_to_the_end_equals_running(variant: Variant, pictures: list[Tensor], mode: Mode) -> None:
    graph = variant.graph
    stepper = Stepper(Variant(graph, uniform_plan(graph, mode), variant.calibration), pictures[0])
    visits = []
    while not stepper.finished:
        visits.append(stepper.next())
    assert [visit.layer for visit in visits] == [layer.name for layer in graph.layers]
    ran = Engine(graph, uniform_plan(graph, mode), variant.calibration).run(pictures[0])["head"]
    assert torch.equal(as_float(stepper.value("head")), ran)
    assert all(visit.sqnr_db > (100 if mode is Mode.FLOAT else 15) for visit in visits)


def test_statistics_at_a_stop_are_those_of_the_value(stepper: Stepper) -> None:
    visit = stepper.jump("expand")
    value = stepper.value("expand")
    assert isinstance(value, Quantised)
    real = as_float(value)
    assert (visit.statistics.low, visit.statistics.high) == pytest.approx((float(real.min()), float(real.max())))
    assert visit.statistics.clipped is not None
    edges, counts = stepper.histogram("expand")
    assert counts.sum() == real.numel()
    assert edges[0] < real.min() <= real.max() < edges[-1]


def test_statistics_are_worked_out_once_for_each_version_of_a_value(stepper: Stepper) -> None:
    before = stepper.jump("expand").statistics
    assert stepper.look("expand").statistics is before
    stepper.edit(EditBias("expand", ZERO + 3.0, (0,)))
    assert stepper.look("expand").statistics != before
    stepper.undo()
    assert stepper.look("expand").statistics is before


def test_a_value_is_compared_with_the_float_runs_element_by_element(stepper: Stepper) -> None:
    wanted = stepper.float_value("expand")
    difference = stepper.difference("expand", wanted)
    assert difference.sqnr_db == pytest.approx(stepper.look("expand").sqnr_db, abs=1.0)
    assert stepper.difference_maps("expand", wanted).max() == 255
    assert stepper.difference_maps("expand", as_float(stepper.value("expand"))).eq(0).all()


SATURATING = [Activation.RELU6, Activation.SIGMOID, Activation.HARDSIGMOID]


@pytest.mark.parametrize("activation", SATURATING)
@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.HYBRID, Mode.INT8])
def test_top_codes_of_an_activation_that_saturates_are_not_clipped(
    variant: Variant, pictures: list[Tensor], activation: Activation, mode: Mode
) -> None:
    stem = variant.graph.layer("stem").operation
    assert isinstance(stem, Conv2d)
    loud = replace(stem, weight=stem.weight * 40, activation=activation)
    graph = variant.graph.with_operation("stem", loud)
    calibration = whole_ranges(graph, *pictures)
    plan = {**uniform_plan(graph, Mode.INT8), "stem": Precision(mode.value)}
    stepper = Stepper(Variant(graph, plan, calibration), pictures[0])
    visit, value = stepper.jump("stem"), stepper.value("stem")
    assert isinstance(value, Quantised)
    assert value.codes.eq(255).sum() > 100
    assert visit.statistics.clipped == 0


def test_what_lies_beyond_a_range_is_counted_in_every_integer_layer(stepper: Stepper) -> None:
    counted = 0
    for layer in stepper.layers:
        qparams, product = stepper.engine.formats[layer], stepper.engine.layer(layer).integer
        if qparams is None:
            continue
        stepper.edit(EditRange(layer, qparams.low / 3, qparams.high / 3))
        now = stepper.engine.formats[layer]
        assert now is not None
        inputs = [as_float(stepper.value(name)) for name in stepper.variant.graph.layer(layer).inputs]
        operation = stepper.variant.graph.layer(layer).operation
        wanted = operation.run(*inputs)
        if product is not None:
            assert isinstance(operation, Conv2d)
            weights = product.weights  # 7-bit where the processor has no exact 8-bit product
            real = (
                weights.codes.float() * weights.scale.view(-1, 1, 1, 1),
                weights.bias * weights.x_scale * weights.scale,
            )
            wanted = replace(operation, weight=real[0], bias=real[1].float()).run(*inputs)
        half = now.scale / 2
        beyond = int(((wanted < now.low - half) | (wanted > now.high + half)).sum())
        assert stepper.jump(layer).statistics.clipped == pytest.approx(beyond, abs=1)
        counted += beyond > 20
        stepper.undo()
    assert counted >= 4


@pytest.mark.parametrize("precision", Precision)
def test_an_edit_of_what_no_layer_reads_is_known(
    variant: Variant, pictures: list[Tensor], precision: Precision
) -> None:
    plan = dict.fromkeys(variant.plan, Precision.FLOAT) | {"squeeze": precision}
    stepper = Stepper(Variant(variant.graph, plan, variant.calibration), pictures[0])
    in_integers = precision is not Precision.FLOAT
    assert stepper.edit(EditCodes("squeeze", torch.tensor(5), (0,))) is in_integers
    assert stepper.edit(EditScale("squeeze", 1, 0.5)) is in_integers
    assert stepper.edit(EditRange("stem", 0, 0.25)) is in_integers  # what it reads
    assert stepper.edit(EditRange("squeeze", 0, 0.25)) is False  # it leaves in float32
    assert stepper.edit(EditPrecision("squeeze", precision)) is False
    assert stepper.edit(EditWeights("squeeze", torch.tensor(0.5), (2,))) is True
    assert stepper.edit(EditBias("squeeze", torch.tensor(0.5), (2,))) is True


def test_an_edit_beyond_float32_is_refused_without_a_crash(variant: Variant, pictures: list[Tensor]) -> None:
    stepper = Stepper(Variant(variant.graph, uniform_plan(variant.graph, Mode.FLOAT)), pictures[0])
    stepper.edit(EditWeights("raw", torch.tensor(3e38)))
    assert stepper.compare("raw").sqnr_db == -NO_NOISE_DB
    assert stepper.jump("raw").sqnr_db == -NO_NOISE_DB
    for look in (stepper.histogram, stepper.feature_maps):
        with pytest.raises(NonFiniteValue, match="'raw'"):
            look("raw")
    stepper.undo()
    assert stepper.histogram("raw")[1].sum() == as_float(stepper.value("raw")).numel()


def test_back_and_jump_move_without_running_again(stepper: Stepper, monkeypatch: pytest.MonkeyPatch) -> None:
    stepper.jump("raw")
    monkeypatch.setattr("quant.kernels.prepared.PreparedLayer.run", lambda *_: pytest.fail("a layer was run again"))
    assert stepper.back().layer == "join"
    assert stepper.jump("stem").layer == "stem"
    assert stepper.next().layer == "squeeze"


def test_ends_of_the_model_and_unknown_layers_are_refused_and_the_position_stays(stepper: Stepper) -> None:
    with pytest.raises(LayerNotFound):
        stepper.back()
    stepper.jump("head")
    with pytest.raises(LayerNotFound, match="last"):
        stepper.next()
    with pytest.raises(LayerNotFound, match="nowhere"):
        stepper.jump("nowhere")
    assert stepper.layer == "head"


def test_edit_runs_only_the_layers_that_follow(stepper: Stepper, monkeypatch: pytest.MonkeyPatch) -> None:
    stepper.jump("head")
    ran: list[str] = []
    run = PreparedLayer.run

    def noted(self: PreparedLayer, *values: Value) -> Value:
        ran.append(self.name)
        return run(self, *values)

    monkeypatch.setattr(PreparedLayer, "run", noted)
    stepper.edit(EditWeights("deep", ZERO, (0,)))
    stepper.jump("head")
    assert ran == ["deep", "up", "join", "raw", "head"]


def test_edit_prepares_only_its_own_layer_again(stepper: Stepper) -> None:
    before = stepper.engine.layers
    stepper.edit(EditWeights("expand", ZERO, (0,)))
    fresh = [now.name for was, now in zip(before, stepper.engine.layers, strict=True) if was is not now]
    assert fresh == ["expand"]


def test_edited_run_equals_an_engine_made_anew(stepper: Stepper, pictures: list[Tensor]) -> None:
    stepper.jump("head")
    for edit in (
        EditWeights("squeeze", ZERO, (1,)),
        EditBias("deep", torch.tensor(0.3), (2,)),
        EditRange("join", -0.5, 2.5),
        EditPrecision("deep", Precision.FLOAT),
        EditRange("input", 0.0, 0.7),
    ):
        stepper.edit(edit)
        kept = stepper.variant
        fresh = Engine(kept.graph, kept.plan, kept.calibration).run(pictures[0])["head"]
        assert torch.equal(as_float(stepper.value("head")), fresh), edit


def test_compare_shows_the_edit_and_undo_takes_it_back(stepper: Stepper) -> None:
    before = as_float(stepper.value("head")).clone()
    stepper.edit(EditWeights("raw", ZERO))
    difference = stepper.compare("raw")
    assert difference.changed_fraction > 0.5
    assert difference.sqnr_db < 20
    assert stepper.compare("join").changed_fraction == 0
    stepper.undo()
    assert torch.equal(as_float(stepper.value("head")), before)
    with pytest.raises(InvalidEdit, match="no edit"):
        stepper.undo()
    with pytest.raises(InvalidEdit, match="nothing was edited"):
        stepper.compare("raw")


def test_failed_edit_leaves_the_stepper_as_it_was(stepper: Stepper) -> None:
    variant, value = stepper.variant, as_float(stepper.value("head"))
    with pytest.raises(InvalidEdit):
        stepper.edit(EditWeights("expand", torch.zeros(3)))
    assert stepper.variant is variant
    assert torch.equal(as_float(stepper.value("head")), value)


def test_branches_are_edited_apart_and_compared(stepper: Stepper) -> None:
    stepper.jump("deep")
    main = as_float(stepper.value("head"))
    stepper.branch("without-shortcut")
    stepper.edit(EditWeights("expand", ZERO))
    stepper.jump("head")
    assert stepper.compare("head", "main").changed_fraction > 0
    stepper.switch("main")
    assert stepper.layer == "deep"
    assert torch.equal(as_float(stepper.value("head")), main)
    assert stepper.branches == ("main", "without-shortcut")
    with pytest.raises(InvalidEdit, match="already"):
        stepper.branch("main")
    with pytest.raises(LayerNotFound, match="without-shortcut"):
        stepper.switch("elsewhere")


def test_error_is_measured_against_the_model_as_it_was_opened(stepper: Stepper) -> None:
    stepper.edit(EditWeights("stem", ZERO))
    assert stepper.jump("stem").sqnr_db < 10


def test_small_cache_gives_the_same_values_and_stays_small(variant: Variant, pictures: list[Tensor]) -> None:
    roomy, tight = Stepper(variant, pictures[0]), Stepper(variant, pictures[0], cache_bytes=7000)
    for layer in (*roomy.layers, *reversed(roomy.layers)):
        assert torch.equal(as_float(roomy.value(layer)), as_float(tight.value(layer)))
        assert tight.cached_bytes <= max(7000, as_float(tight.value(layer)).nbytes)
    assert roomy.cached_bytes > 14000


def test_undo_depth_is_bounded(stepper: Stepper) -> None:
    for step in range(40):
        stepper.edit(EditBias("raw", torch.tensor(float(step)), (0,)))
    for _ in range(31):
        stepper.undo()
    with pytest.raises(InvalidEdit, match="no edit"):
        stepper.undo()


def test_accumulators_are_the_exact_integer_sums(stepper: Stepper) -> None:
    sums = stepper.accumulators("squeeze")
    assert sums is not None
    product, x = stepper.engine.layer("squeeze").integer, stepper.value("stem")
    assert product is not None
    assert isinstance(x, Quantised)
    codes = x.codes.long() - x.qparams.zero_point
    wanted = torch.einsum("nihw,oi->nohw", codes, product.weights.codes[:, :, 0, 0].long())
    assert torch.equal(sums.long(), wanted)
    assert stepper.accumulators("pool") is None


def test_info_and_feature_maps_describe_the_layer(stepper: Stepper) -> None:
    info = stepper.info("deep")
    assert (info.index, info.operation, info.inputs, info.shape) == (5, "Conv2d", ("pool",), (16, 8, 8))
    assert info.parameters == 16 * 8 * 9 + 16
    assert info.precision is Precision.INT8
    assert info.qparams is not None
    assert stepper.feature_maps("deep", columns=8).shape == (2 * 9 - 1, 8 * 9 - 1)


def test_opening_refuses_wrong_pictures_and_missing_scales(variant: Variant) -> None:
    with pytest.raises(WrongShape):
        Stepper(variant, torch.zeros(1, 3, 15, 16))
    with pytest.raises(NotCalibrated):
        Stepper(Variant(variant.graph, variant.plan), torch.zeros(1, 3, 16, 16))
