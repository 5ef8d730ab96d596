"""Float definitions against the plain loops they stand for."""

import pytest
import torch
from torch import Tensor

from quant.activation import Activation, activate
from quant.operations import Add, AvgPool, BatchNorm, Conv2d, MaxPool, Mul, Pad, Region, Reorg, Slice, Upsample, Yolo


def numbered(*shape: int) -> Tensor:
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)


def test_reorg_has_darknets_order() -> None:
    N, C, H, W, stride = 2, 8, 4, 6, 2
    x = numbered(N, C, H, W)
    flat, expected = x.flatten(1), torch.empty(N, C * H * W)
    depth = C // (stride * stride)
    for k in range(C):
        offset_h, offset_w = divmod(k // depth, stride)
        for j in range(H):
            for i in range(W):
                row, column = j * stride + offset_h, i * stride + offset_w
                expected[:, i + W * (j + H * k)] = flat[:, column + W * stride * (row + H * stride * (k % depth))]
    y = Reorg(stride).run(x)
    assert y.shape == (N, C * stride * stride, H // stride, W // stride)
    assert torch.equal(y.flatten(1), expected)


def test_a_size_two_stride_one_pool_pads_right_and_bottom_only() -> None:
    y = MaxPool((2, 2), (1, 1), (0, 1, 0, 1)).run(numbered(1, 1, 3, 3))
    assert y.flatten().tolist() == [4, 5, 5, 7, 8, 8, 7, 8, 8]


def test_a_padded_pool_of_negative_values_never_answers_with_the_padding() -> None:
    y = MaxPool((3, 3), (2, 2), (1, 1, 1, 1)).run(-1 - numbered(1, 1, 4, 4))
    assert float(y.max()) == -1.0


@pytest.mark.parametrize(("count_include_pad", "corner"), [(True, (0 + 1 + 3 + 4) / 9), (False, (0 + 1 + 3 + 4) / 4)])
def test_an_average_counts_its_border_as_declared(count_include_pad: bool, corner: float) -> None:
    pool = AvgPool((3, 3), (1, 1), (1, 1, 1, 1), count_include_pad)
    assert float(pool.run(numbered(1, 1, 3, 3))[0, 0, 0, 0]) == pytest.approx(corner)


def test_a_residual_is_added_before_the_activation() -> None:
    conv = Conv2d(torch.ones(1, 1, 1, 1), torch.zeros(1), activation=Activation.RELU)
    assert float(conv.run(torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), -5.0))) == 0.0


def test_yolo_leaves_width_and_height_raw_and_stretches_the_centre() -> None:
    x = torch.randn(2, 3 * 7, 4, 4)
    y = Yolo(2, ((1.0, 1.0),) * 3, scale_x_y=1.05).run(x).reshape(2, 3, 7, 4, 4)
    raw = x.reshape(2, 3, 7, 4, 4)
    assert torch.equal(y[:, :, 2:4], raw[:, :, 2:4])
    assert torch.allclose(y[:, :, :2], raw[:, :, :2].sigmoid() * 1.05 - 0.025)
    assert torch.allclose(y[:, :, 4:], raw[:, :, 4:].sigmoid())


def test_region_classes_sum_to_one_for_each_anchor() -> None:
    y = Region(3, ((1.0, 1.0),) * 2).run(torch.randn(1, 2 * 8, 2, 2)).reshape(1, 2, 8, 2, 2)
    assert torch.allclose(y[:, :, 5:].sum(2), torch.ones(1, 2, 2, 2))


def test_a_negative_padding_crops() -> None:
    y = Pad((-1, 0, 0, 1)).run(numbered(1, 1, 2, 2))
    assert y.flatten().tolist() == [1, 3, 0]


def test_small_operations_mean_what_they_say() -> None:
    x = numbered(1, 4, 1, 1)
    assert Slice(1, 3).run(x).flatten().tolist() == [1, 2]
    assert Add().run(x, x, x).flatten().tolist() == [0, 3, 6, 9]
    assert Mul().run(x.expand(1, 4, 2, 2), x)[0, 3].flatten().tolist() == [9] * 4
    assert BatchNorm(torch.tensor([1.0, 2, 3, 4]), torch.ones(4)).run(x).flatten().tolist() == [1, 3, 7, 13]
    assert Upsample(2).run(numbered(1, 1, 1, 2)).flatten().tolist() == [0, 0, 1, 1, 0, 0, 1, 1]


@pytest.mark.parametrize("activation", Activation)
def test_an_activation_leaves_its_input_alone(activation: Activation) -> None:
    x = torch.linspace(-8, 8, 33)
    before = x.clone()
    y = activate(x, activation)
    assert torch.equal(x, before)
    assert y.shape == x.shape
