"""Edits are values: what each changes, what it leaves, and what it refuses."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.engine import Engine
from quant.errors import InvalidEdit, InvalidScale, LayerNotFound, NotCalibrated, QuantError
from quant.graph import Graph
from quant.operations import Conv2d
from quant.precision import Mode, Precision, uniform_plan
from quant.variant import Variant


def conv(variant: Variant, layer: str) -> Conv2d:
    operation = variant.graph.layer(layer).operation
    assert isinstance(operation, Conv2d)
    return operation


def test_edited_weight_changes_its_code_and_no_other(variant: Variant) -> None:
    edited = EditWeights("expand", torch.tensor(0.0), (3, 2, 1, 1)).apply(variant)
    before, after = variant.calibration.weights["expand"], edited.calibration.weights["expand"]
    assert conv(edited, "expand").weight[3, 2, 1, 1] == 0
    assert after.codes[3, 2, 1, 1] == 0 != before.codes[3, 2, 1, 1]
    changed = (after.codes != before.codes).nonzero()
    assert changed.tolist() == [[3, 2, 1, 1]]
    assert torch.equal(after.scale, before.scale)


def test_edit_leaves_the_old_variant_as_it_was(variant: Variant) -> None:
    weight, codes = conv(variant, "expand").weight.clone(), variant.calibration.weights["expand"].codes.clone()
    EditWeights("expand", torch.tensor(9.0)).apply(variant)
    EditCodes("expand", torch.tensor(9)).apply(variant)
    assert torch.equal(conv(variant, "expand").weight, weight)
    assert torch.equal(variant.calibration.weights["expand"].codes, codes)


def test_weight_beyond_the_scale_raises_the_scale_of_its_channel_alone(variant: Variant) -> None:
    edited = EditWeights("expand", torch.tensor(50.0), (3, 2, 1, 1)).apply(variant)
    before, after = variant.calibration.weights["expand"], edited.calibration.weights["expand"]
    assert after.codes[3, 2, 1, 1] == 127
    assert after.scale[3] == pytest.approx(50 / 127)
    assert (after.scale != before.scale).nonzero().tolist() == [[3]]


def test_edited_code_changes_the_integer_run_and_not_the_float_one(variant: Variant, pictures: list[Tensor]) -> None:
    edited = EditCodes("raw", torch.full((24, 1, 1), 127), (0,)).apply(variant)
    assert torch.equal(conv(edited, "raw").weight, conv(variant, "raw").weight)
    x = pictures[0]

    def outputs(some: Variant, mode: Mode) -> Tensor:
        return Engine(some.graph, uniform_plan(some.graph, mode), some.calibration).run(x)["head"]

    assert torch.equal(outputs(variant, Mode.FLOAT), outputs(edited, Mode.FLOAT))
    assert not torch.equal(outputs(variant, Mode.INT8), outputs(edited, Mode.INT8))


def test_edited_bias_is_followed_by_its_integer(variant: Variant) -> None:
    edited = EditBias("raw", torch.tensor(0.75), (2,)).apply(variant)
    before, after = variant.calibration.weights["raw"], edited.calibration.weights["raw"]
    assert conv(edited, "raw").bias[2] == 0.75
    assert after.real_bias[2] == pytest.approx(0.75, abs=float(after.x_scale * after.scale[2]))
    assert (after.bias != before.bias).nonzero().tolist() == [[2]]


def test_channel_scale_makes_that_channels_codes_anew(variant: Variant) -> None:
    before = variant.calibration.weights["expand"]
    edited = EditScale("expand", 5, float(before.scale[5]) * 2).apply(variant)
    after = edited.calibration.weights["expand"]
    assert torch.equal(after.codes[5], (conv(variant, "expand").weight[5] / after.scale[5]).round().to(torch.int8))
    assert (after.scale != before.scale).nonzero().tolist() == [[5]]
    assert after.real_bias[5] == pytest.approx(float(before.real_bias[5]), abs=1e-3)


def test_range_moves_all_values_that_share_the_scale(variant: Variant) -> None:
    edited = EditRange("pool", -1.0, 3.0).apply(variant)
    moved = {name for name, qparams in edited.calibration.values.items() if qparams != variant.calibration.values[name]}
    assert moved == {"shortcut", "pool", "deep", "up", "join"}
    assert edited.calibration.values["join"].scale == pytest.approx(4 / 255)


def test_precision_edit_keeps_one_layer_in_float(variant: Variant) -> None:
    edited = EditPrecision("deep", Precision.FLOAT).apply(variant)
    assert edited.plan == {**variant.plan, "deep": Precision.FLOAT}


@pytest.mark.parametrize(
    ("edit", "error", "words"),
    [
        (EditWeights("nowhere", torch.tensor(0.0)), LayerNotFound, "nowhere"),
        (EditWeights("pool", torch.tensor(0.0)), InvalidEdit, "no weights"),
        (EditWeights("expand", torch.zeros(2, 2)), InvalidEdit, r"\[8, 8, 3, 3\], not \[2, 2\]"),
        (EditWeights("expand", torch.tensor(0.0), (8,)), InvalidEdit, "no place"),
        (EditWeights("expand", torch.tensor(0.0), (0, 0, 0, 0, 0)), InvalidEdit, "no place"),
        (EditWeights("expand", torch.tensor(float("nan"))), InvalidEdit, "NaN"),
        (EditCodes("expand", torch.tensor(128)), InvalidEdit, "-127..127"),
        (EditCodes("expand", torch.tensor(-128, dtype=torch.int8)), InvalidEdit, "-127..127"),
        (EditCodes("expand", torch.tensor(-(2**63))), InvalidEdit, "-127..127"),
        (EditCodes("expand", torch.tensor(200, dtype=torch.uint8)), InvalidEdit, "-127..127"),
        (EditCodes("expand", torch.tensor(0.5)), InvalidEdit, "whole"),
        (EditCodes("expand", torch.tensor(True)), InvalidEdit, "whole"),
        (EditBias("expand", torch.zeros(9)), InvalidEdit, r"\[8\], not \[9\]"),
        (EditBias("expand", torch.tensor(1e30)), InvalidEdit, "32 bits"),
        (EditScale("expand", 8, 0.1), InvalidEdit, r"0..7"),
        (EditScale("expand", 0, 0.0), InvalidScale, "positive"),
        (EditScale("expand", 0, float("nan")), InvalidScale, "positive"),
        (EditScale("expand", 0, 1e-20), InvalidEdit, "does not fit into 32 bits at the scale 1e-20; the least is"),
        (EditRange("expand", 1.0, 2.0), InvalidEdit, "hold zero"),
        (EditRange("expand", 0.0, 0.0), InvalidEdit, "width"),
        (EditRange("expand", -1e308, 1e308), InvalidScale, "positive and finite"),
        (EditRange("nowhere", 0.0, 1.0), LayerNotFound, "nowhere"),
        (EditPrecision("head", Precision.INT8), InvalidEdit, "Yolo"),
        (EditPrecision("pool", Precision.HYBRID), InvalidEdit, "MaxPool"),
    ],
    ids=str,
)
def test_wrong_edits_are_refused_by_name(variant: Variant, edit: Edit, error: type[QuantError], words: str) -> None:
    with pytest.raises(error, match=words):
        edit.apply(variant)


def test_edited_bias_leaves_what_an_earlier_edit_made_of_the_others(variant: Variant) -> None:
    integers = variant.calibration.weights["expand"]
    earlier = {**variant.calibration.weights, "expand": replace(integers, bias=integers.bias + 1000)}
    corrected = replace(variant, calibration=replace(variant.calibration, weights=earlier))
    after = EditBias("expand", torch.tensor(0.5), (3,)).apply(corrected).calibration.weights["expand"]
    kept = [channel for channel in range(len(after.bias)) if channel != 3]
    assert torch.equal(after.bias[kept], integers.bias[kept] + 1000)
    assert after.real_bias[3] == pytest.approx(0.5, abs=1e-3)


def test_a_bias_just_over_32_bits_is_refused(variant: Variant) -> None:
    integers = variant.calibration.weights["expand"]
    limit = 2.0**31 * integers.x_scale * integers.scale[3].double()
    EditBias("expand", 0.99 * limit, (3,)).apply(variant)
    with pytest.raises(InvalidEdit, match="32 bits"):
        EditBias("expand", 1.01 * limit, (3,)).apply(variant)


def test_integer_edits_need_a_calibration(graph: Graph) -> None:
    for edit in (
        EditCodes("expand", torch.tensor(1)),
        EditScale("expand", 0, 0.1),
        EditRange("expand", 0, 1),
        EditPrecision("expand", Precision.INT8),
    ):
        with pytest.raises(NotCalibrated):
            edit.apply(Variant(graph))


def test_weight_edit_without_calibration_changes_the_float_model(graph: Graph) -> None:
    edited = EditBias("raw", torch.tensor(4.0)).apply(EditWeights("raw", torch.tensor(0.5)).apply(Variant(graph)))
    assert conv(edited, "raw").weight.eq(0.5).all()
    assert conv(edited, "raw").bias.eq(4).all()
