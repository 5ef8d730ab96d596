"""ONNX programs as graphs: they answer as the module they were exported from, or are refused by the node's name."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torchvision.models.mobilenetv2 import MobileNetV2
from torchvision.models.resnet import BasicBlock, ResNet

from quant.operations import Pad
from services.edge.errors import InvalidDeclaration, InvalidInput, StrataError, Unsupported
from services.workbench.files import read_model
from services.zoo.architectures import build
from services.zoo.exported.graph import graph_of_program
from services.zoo.from_onnx.graph import graph_of_onnx
from services.zoo.programs import read_onnx
from services.zoo.weight_references import fetch_weights
from services.zoo.weights import randomise
from services.zoo.writers import export, write_onnx
from tests.unit.workbench.commands import quant

SIDE = 64
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mobilenet_v2": lambda: MobileNetV2(5, 0.25, inverted_residual_setting=[[1, 16, 1, 1], [6, 24, 2, 2]]),
    "efficientnet_b0": lambda: build("efficientnet_b0", 5, width_mult=0.25, depth_mult=0.1),
    "efficientnet_lite": lambda: build("efficientnet_lite", 5, width_mult=0.25, depth_mult=0.1),
    "nasnet_a_mobile": lambda: build(
        "nasnet_a_mobile", 5, penultimate_filters=96, cells=1, stem_filters=8, stem_reductions=1
    ),
    "resnet": lambda: ResNet(BasicBlock, [2, 1, 1, 1], num_classes=5),
}
"""Narrow and shallow: every kind of block once, and one after its like."""


class Exported(NamedTuple):
    """A module, its ONNX program, and how many layers it has as a graph of torch's program."""

    module: nn.Module
    path: Path
    layers: int


Exports: TypeAlias = Callable[[str], Exported]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """Export a network by name, with random weights, once for both forms."""
    folder = tmp_path_factory.mktemp("networks")

    @cache
    def written(name: str) -> Exported:
        module, path = NETWORKS[name]().eval(), folder / f"{name}.onnx"
        randomise(module, 0, (SIDE, SIDE))
        program = export(module, np.zeros((2, 3, SIDE, SIDE), np.float32))
        write_onnx(program, path)
        return Exported(module, path, len(graph_of_program(program).layers))

    return written


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_torch_comes_back_as_the_same_graph(name: str, exported: Exports) -> None:
    module, path, layers = exported(name)
    graph = graph_of_onnx(onnx.load(path), "model.onnx")
    x = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        (found,), expected = graph.run(x).values(), module(x)
    assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-4
    assert len(graph.layers) <= layers


HEAD = "<ir_version: 9, opset_import: ['' : 17%s]> g (float[N, 3, 8, 8] x) => (float[N, K] y) %s { %s }"
"""An input of pictures and an output of scores: more domains, weights, and nodes."""
MEAN = "m = GlobalAveragePool (v) y = Flatten <axis = 1> (m)"


def program(nodes: str, weights: str = "", domains: str = "") -> onnx.ModelProto:
    return onnx.parser.parse_model(HEAD.replace("'", '"') % (domains, weights and f"<{weights}>", nodes))


@pytest.mark.parametrize(
    "nodes",
    [
        f"v = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) {MEAN}",
        f"g = Sigmoid (x) v = Mul (x, g) {MEAN}",
        f"g = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) v = Mul (g, x) {MEAN}",
        f"v = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]> (x) {MEAN}",
        f"v = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (x) {MEAN}",
        f"v = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x) {MEAN}",
        f'v = AveragePool <kernel_shape = [3, 3], auto_pad = "SAME_UPPER", strides = [2, 2]> (x) {MEAN}',
        f"a, b = Split <axis = 1> (x, s) v = Concat <axis = 1> (b, a) {MEAN}",
        f"d = Sub (x, c) v = Div (d, c) {MEAN}",
        f"v = Sub (c, x) {MEAN}",
        f"v = Neg (x) {MEAN}",
        "m = ReduceMean <axes = [2, 3], keepdims = 0> (x) y = Softmax <axis = 1> (m)",
        f"v = LeakyRelu <alpha = 0.1> (x) {MEAN}",
        f'v = Resize <mode = "nearest"> (x, , k) {MEAN}',
        f"r = Relu (x) n = Neg (x) v = Sum (r, x, n) {MEAN}",
        f'v = Resize <mode = "nearest", coordinate_transformation_mode = "asymmetric"> (x, , k) {MEAN}',
        f"v = Pad (x, p) {MEAN}",
        f"v = Slice (x, from, to, axes) {MEAN}",
    ],
)
def test_single_operators_answer_as_in_onnx_runtime(nodes: str) -> None:
    weights = (
        "int64[2] s = {1, 2}, float[1, 3, 1, 1] c = {1.0, 2.0, 4.0}, float[4] k = {1.0, 1.0, 2.0, 2.0}, "
        "int64[8] p = {0, 0, 1, 0, 0, 0, 0, 2}, "
        "int64[2] from = {1, 0}, int64[2] to = {3, -2}, int64[2] axes = {1, 3}"
    )
    assert graph_of_onnx(program(nodes, weights), "it").layers  # which holds its answers to ONNX Runtime's


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (  # space to depth: a reorg's order of other blocks
            f"b = Reshape (x, blocks) t = Transpose <perm = [0, 3, 5, 1, 2, 4]> (b) v = Reshape (t, deep) {MEAN}",
            r"\(Reshape\) makes \[3, 4, 2, 4, 2\] of \[3, 8, 8\]; only flattening",
        ),
        (f"t = Transpose (x) v = Reshape (t, whole) {MEAN}", r"\(Transpose\) has no counterpart here"),
        (f"v = Transpose <perm = [0, 1, 3, 2]> (x) {MEAN}", r"\(Transpose\) has no counterpart here"),
        (f"v = LeakyRelu <alpha = 0.2> (x) {MEAN}", r"\(LeakyRelu\) has the slope 0.2; only 0.1"),
        (f"v = Clip (x, low, high) {MEAN}", r"\(Clip\) clips to \[-1, 1\]"),
        (f"v = Concat <axis = 2> (x, x) {MEAN}", r"\(Concat\) joins along another axis"),
        (f"v = MaxPool <kernel_shape = [2, 2], dilations = [2, 2]> (x) {MEAN}", "pools with dilation"),
        (f'v = Resize <mode = "linear"> (x, , k) {MEAN}', r"\(Resize\) resizes otherwise"),
        (f'v = Resize <mode = "nearest", nearest_mode = "ceil"> (x, , k) {MEAN}', "by half_pixel and ceil"),
        (
            f'v = Resize <mode = "nearest", coordinate_transformation_mode = "align_corners"> (x, , k) {MEAN}',
            "by align_corners",
        ),
        (f'v = Resize <mode = "nearest"> (x, , odd) {MEAN}', "only whole factors"),
        (f'v = Pad <mode = "reflect"> (x, p) {MEAN}', "something else than zeros"),
        (f"r = Relu (x) v = Sum (x, low, r) {MEAN}", "has a constant input 1"),
        (f"v = Dropout (x, high, yes) {MEAN}", "drops values at random"),
        (f"v = Slice (x, from, to, axes) {MEAN}", "cuts everything away"),
        (f"v = other.Thing (x) {MEAN}", "other.Thing, which is not one of ONNX's own"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_node_and_operator(nodes: str, message: str) -> None:
    weights = (
        "float low = {-1.0}, float high = {1.0}, bool yes = {1}, float[4] k = {1.0, 1.0, 2.0, 2.0}, "
        "float[4] odd = {1.0, 1.0, 2.1, 2.1}, int64[8] p = {0, 0, 1, 0, 0, 0, 0, 2}, "
        "int64[1] from = {2}, int64[1] to = {1}, int64[1] axes = {2}, "
        "int64[6] blocks = {0, 3, 4, 2, 4, 2}, int64[4] deep = {0, 12, 4, 4}, int64[4] whole = {1, 3, 8, 8}"
    )
    domains = ', "other" : 1' if "other" in nodes else ""
    with pytest.raises(Unsupported, match=f"it: node .*{message}"):
        graph_of_onnx(program(nodes, weights, domains), "it")


def test_what_came_with_later_opsets_is_read_or_refused() -> None:
    padded = program(f"v = Pad (x, p, , axes) {MEAN}", "int64[4] p = {0, 1, 3, 2}, int64[2] axes = {3, -2}")
    dilated = program(f"v = AveragePool <kernel_shape = [3, 3], pads = [2, 2, 2, 2], dilations = [2, 2]> (x) {MEAN}")
    for each in (padded, dilated):
        each.opset_import[0].version = 19
    assert graph_of_onnx(padded, "it").layers[0].operation == Pad((0, 3, 1, 2))
    with pytest.raises(Unsupported, match=r"\(AveragePool\) pools with dilation"):
        graph_of_onnx(dilated, "it")


def _of_opset(version: int) -> onnx.ModelProto:
    found = program(f"v = Relu (x) {MEAN}")
    found.opset_import[0].version = version
    return found


def _with_control_flow() -> onnx.ModelProto:
    then = "then_branch = t () => (float[N, 3, 8, 8] r) { r = Relu (x) }"
    other = "else_branch = e () => (float[N, 3, 8, 8] q) { q = Neg (x) }"
    return program(f"v = If <{then}, {other}> (c) {MEAN}", "bool c = {1}")


def _in_half() -> onnx.ModelProto:
    found = program(f"v = Mul (x, c) {MEAN}", "float[1] c = {2.0}")
    found.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones(1, np.float16), "c"))
    return found


def _of_two_pictures() -> onnx.ModelProto:
    found = program(f"v = Relu (x) {MEAN}")
    found.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    return found


def _of_any_size() -> onnx.ModelProto:
    found = program(f"v = Relu (x) {MEAN}")
    found.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    return found


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: _of_opset(7), Unsupported, "opset 7; 9 to 23 are read"),
        (_with_control_flow, Unsupported, r"control flow \(If\)"),
        (_in_half, Unsupported, "'c' is float16; export the model in float32"),
        (_of_any_size, InvalidDeclaration, "height and width as numbers"),
        (_of_two_pictures, InvalidDeclaration, r"takes \[2, 3, 8, 8\]; export it for \[N, 3, H, W\]"),
    ],
)
def test_programs_of_another_kind_are_refused(
    make: Callable[[], onnx.ModelProto], kind: type[StrataError], message: str
) -> None:
    with pytest.raises(kind, match=f"it: .*{message}"):
        graph_of_onnx(make(), "it")


def test_onnxs_own_operators_have_two_names() -> None:
    found = program(f"v = Relu (x) {MEAN}")
    found.opset_import[0].domain = "ai.onnx"
    assert graph_of_onnx(found, "it").layers


@pytest.mark.parametrize("second", ["two", "external"])
def test_several_inputs_and_weights_elsewhere_are_refused(second: str, tmp_path: Path) -> None:
    found = program(f"v = Mul (x, c) {MEAN}", "float[1] c = {2.0}")
    if second == "two":
        found.graph.input.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [1]))
        onnx.save(found, tmp_path / "it.onnx")
    else:
        found.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((1, 3, 8, 8), np.float32), "c"))
        onnx.save(found, tmp_path / "it.onnx", save_as_external_data=True, location="it.bin", size_threshold=0)
    with pytest.raises(InvalidInput, match=r"takes float|lie in another file"):
        read_onnx(fetch_weights(f"file://{tmp_path}/it.onnx", Path()))


def test_import_writes_an_engine_model_with_labels(exported: Exports, tmp_path: Path) -> None:
    shutil.copy(exported("mobilenet_v2").path, tmp_path / "net.onnx")
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n")
    result = quant(tmp_path, "import", "net.onnx", "--labels", "names.txt")
    assert result.exit_code == 0, result.output
    model = read_model(tmp_path / "net.strata")
    assert (model.name, model.labels, model.trained) == ("net", tuple("abcde"), True)
    assert model.input_spec is not None
    assert model.input_spec.size == (SIDE, SIDE)
    assert isinstance(quant(tmp_path, "import", "net.onnx", "--size", "64").exception, InvalidInput)
