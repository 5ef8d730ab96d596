"""A script repeats recorded operations on other inputs, writes where they wrote, and refuses what it cannot name."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from quant.kernels.script import NotScriptable, script


def mixed_operations(x: Tensor) -> tuple[Tensor, ...]:
    """Views, joins, padding, casts, writing in place, several outputs, constants made on the way."""
    shifted = F.pad(F.pad(x, (1, 0, 0, 2), value=-torch.inf).clamp_(min=-3.0), (0, 0), value=3.0).to(torch.int32)
    shifted[:, :, 1:3] = shifted[:, :, 0:2] * torch.tensor([2], dtype=torch.int32)
    left, right = torch.split(torch.cat((shifted, shifted.flip(3)), 1).float(), 2, dim=1)
    left.mul_(1.5).sub_(-0.25).clamp_(max=6.0)
    return left.mean((2, 3)), F.max_pool2d(right, 2), F.leaky_relu(left.permute(0, 2, 3, 1).flatten(1), 0.1)


def test_a_script_repeats_its_operations_on_another_input() -> None:
    torch.manual_seed(0)
    recorded, other = torch.randn(2, 1, 2, 6, 5).mul(4).unbind()
    with torch.inference_mode():
        run = script(mixed_operations, recorded)
        for found, wanted in zip(run(other), mixed_operations(other), strict=True):
            assert torch.equal(found, wanted)


def test_a_script_keeps_copies_of_one_value_apart_when_a_residual_is_written_over() -> None:
    weights = torch.ops.onednn.qlinear_prepack(torch.ones(4, 4, dtype=torch.int8), None)
    scale, zeros = torch.ones(4), torch.zeros(4, dtype=torch.int32)

    def run(x: Tensor) -> tuple[Tensor, ...]:
        first, second = x.clone(), x.clone()
        y = torch.ops.onednn.qlinear_pointwise.binary(
            x, 1.0, 0, weights, scale, zeros, first, None, 1.0, 0, torch.uint8, 1.0, 0, "sum", 1.0, "none", [], ""
        )  # fmt: skip
        return y, second

    x = torch.arange(8, dtype=torch.uint8).view(2, 4)
    with torch.inference_mode():
        y, copy = script(run, x)(x)
    assert y.tolist() == [[6, 7, 8, 9], [26, 27, 28, 29]]
    assert torch.equal(copy, x)


def test_a_run_that_reads_numbers_out_of_tensors_is_refused() -> None:
    with torch.inference_mode(), pytest.raises(NotScriptable, match="not a tensor"):
        script(lambda x: (x * float(x.max()),), torch.ones(3))
