"""Batch norms that are folded into convolutions before a program is written in another form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from services.zoo.agreement import UNIT, difference
from services.zoo.exported.nodes import operator_name
from services.zoo.exported.norms import fold_norms
from services.zoo.runtimes.onnxruntime import FILE_NAME, load
from services.zoo.writers import export, write_onnx

PICTURES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def drawn(module: nn.Module) -> nn.Module:
    """The module in float64 and evaluation, its norms as training would have left them."""
    generator = torch.Generator().manual_seed(1)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            for tensor in (each.weight, each.bias, each.running_mean, each.running_var):
                if tensor is not None:
                    nn.init.uniform_(tensor, 0.2, 2.0, generator=generator)
    return module.double().eval()


class TwoReaders(nn.Sequential):
    """A norm of a convolution that another layer reads too, and one convolution in two places."""

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm, other = self
        maps = convolution(x)
        answer: Tensor = norm(maps) + maps + other(convolution(maps.relu()))
        return answer


class TwiceNormed(nn.Sequential):
    """One norm in two places."""

    def forward(self, x: Tensor) -> Tensor:
        convolution, norm, other = self
        answer: Tensor = norm(other(norm(convolution(x)).relu()))
        return answer


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "with a bias": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), 0),
    "without a bias": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()), 0),
    "grouped, padded by name": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3, padding="same", groups=3), nn.BatchNorm2d(6)),
        0,
    ),
    "two in a row": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=0.1), nn.BatchNorm2d(4)), 0),
    "without weights": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)), 1),
    "behind an activation": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4)), 1),
    "two readers": (lambda: TwoReaders(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)), 2),
    "one norm twice": (lambda: TwiceNormed(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)), 2),
}


def norms_of(program: ExportedProgram) -> int:
    return sum(node.op == "call_function" and operator_name(node) == "batch_norm" for node in program.graph.nodes)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_norm_that_alone_reads_a_convolution_is_gone_and_answers_stay(network: str) -> None:
    make, left = NETWORKS[network]
    module = drawn(make())
    with torch.inference_mode():
        expected = module(PICTURES)
        program = export(module, PICTURES.numpy())
        folded = fold_norms(program)
        assert norms_of(folded) == left
        assert folded.graph_signature.user_outputs[0] in {node.name for node in folded.graph.nodes}
        torch.testing.assert_close(folded.module()(PICTURES), expected, rtol=1e-12, atol=1e-12)
        assert torch.equal(program.module()(PICTURES), expected), "the program was changed"
        assert torch.equal(module(PICTURES), expected), "the module was changed"


def test_the_onnx_form_is_as_near_to_float64_as_torch_is(tmp_path: Path) -> None:
    layers = [nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    for _ in range(4):
        layers += [nn.Conv2d(16, 16, 3, padding=1, groups=4), nn.BatchNorm2d(16), nn.ReLU6()]
    module = drawn(nn.Sequential(*layers[:-1]))
    images = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    with torch.no_grad():
        exact = module(torch.from_numpy(images).double()).numpy()
        in_torch = module.float()(torch.from_numpy(images)).numpy()
    write_onnx(export(module, images), tmp_path / FILE_NAME)
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(tmp_path / FILE_NAME).graph.node}
    rounding = max(difference(in_torch, exact), UNIT * float(np.abs(exact).max()))
    assert difference(load(tmp_path, 1)(images), exact) <= 4 * rounding
