from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from quant.operations import Concat, Conv2d, Slice
from services.edge.errors import InvalidDeclaration, InvalidWeights
from services.zoo.darknet.build import build_model, load_model, load_network
from services.zoo.darknet.cfg import parse_cfg, write_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.networks import NAMES, describe
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.structure import Network
from services.zoo.darknet.weights import ConvolutionWeights, Normalization, Weights, WeightsHeader, write_weights

NET = "[net]\nwidth=8\nheight=8\nchannels=4\n"
CONV = "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"


def network_of(text: str) -> Network:
    return read_network(parse_cfg(text))


@pytest.mark.parametrize("name", [name for name in NAMES if "tiny" in name])
def test_the_graph_gives_the_shapes_the_cfg_declares(name: str) -> None:
    network = read_network(describe(name, size=64, classes=2))
    model = build_model(network, random_weights(network, seed=0))
    assert len(model.values) == len(network.layers)
    for layer, value in zip(network.layers, model.values, strict=True):
        assert model.graph.shapes[value] == tuple(layer.shape), layer.name


def test_normalisation_is_folded_as_darknet_divides() -> None:
    """It adds 1e-6 to the deviation: at a variance of 1e-12 that halves the gain, where torch's rule would not."""
    network = network_of(
        NET.replace("channels=4", "channels=1") + "[convolutional]\nfilters=1\nbatch_normalize=1\nactivation=linear\n"
    )
    one = np.ones(1, np.float32)
    normalization = Normalization(3 * one, 2 * one, np.float32(1e-12) * one)
    weights = Weights(
        WeightsHeader(), {0: ConvolutionWeights(7 * one, normalization, np.full((1, 1, 1, 1), 5, np.float32))}
    )
    folded = build_model(network, weights).graph.layers[0].operation
    assert isinstance(folded, Conv2d)
    assert folded.weight.item() == pytest.approx(5 * 3 / 2e-6, rel=1e-4)
    assert folded.bias.item() == pytest.approx(7 - 2 * 3 / 2e-6, rel=1e-4)


def test_a_route_to_one_layer_and_a_dropout_are_no_layers_of_the_graph() -> None:
    network = network_of(NET + CONV + "[dropout]\nprobability=.5\n[route]\nlayers=0\n" + CONV)
    model = build_model(network, random_weights(network, seed=0))
    assert model.values == ("convolutional_0", "convolutional_0", "convolutional_0", "convolutional_3")
    assert [layer.name for layer in model.graph.layers] == ["convolutional_0", "convolutional_3"]


def test_a_grouped_route_cuts_each_input_then_joins() -> None:
    network = network_of(NET + CONV + CONV + "[route]\nlayers=0,1\ngroups=2\ngroup_id=1\n")
    model = build_model(network, random_weights(network, seed=0))
    first, second, joined = model.graph.layers[2:]
    assert (first.operation, second.operation) == (Slice(4, 8), Slice(4, 8))
    assert (first.inputs, second.inputs) == (("convolutional_0",), ("convolutional_1",))
    assert isinstance(joined.operation, Concat)
    assert joined.inputs == (first.name, second.name)
    assert joined.name == model.values[2] == "route_2"


def outputs_of(text: str) -> tuple[list[Tensor], Tensor]:
    """Every layer's value for one random picture, and the picture."""
    network = network_of(text)
    model = build_model(network, random_weights(network, seed=0))
    x = torch.randn(1, *network.input_shape, generator=torch.Generator().manual_seed(0))
    values = dict(model.graph.values(x))
    return [values[name] for name in model.values], x


def test_a_shortcut_adds_the_channels_that_both_layers_have() -> None:
    wide, narrow = (f"[convolutional]\nfilters={filters}\nactivation=linear\n" for filters in (8, 5))
    shortcut = "[shortcut]\nfrom=0\nactivation=leaky\n"
    first, second, total = outputs_of(NET + narrow + wide + shortcut)[0]
    expected = second.clone()
    expected[:, :5] += first
    torch.testing.assert_close(total, F.leaky_relu(expected, 0.1))
    first, second, total = outputs_of(NET + wide + narrow + shortcut)[0]
    torch.testing.assert_close(total, F.leaky_relu(second + first[:, :5], 0.1))


def test_a_shortcut_from_a_larger_layer_takes_every_other_pixel() -> None:
    large, small = CONV, CONV.replace("filters=8", "filters=12") + "stride=2\n"
    first, second, total = outputs_of(NET + large + small + "[shortcut]\nfrom=0\n")[0]
    expected = second.clone()
    expected[:, :8] += first[:, :, ::2, ::2]
    torch.testing.assert_close(total, expected)


def test_a_shortcut_adds_several_layers() -> None:
    first, second, third, total = outputs_of(NET + 3 * CONV + "[shortcut]\nfrom=-2,-3\nactivation=relu\n")[0]
    torch.testing.assert_close(total, (first + second + third).relu())


def test_products_of_layers_are_those_of_squeeze_and_excite_and_of_spatial_attention() -> None:
    text = NET + CONV + "[avgpool]\n[scale_channels]\nfrom=0\nactivation=relu\n[sam]\nfrom=0\n"
    first, pooled, scaled, product = outputs_of(text)[0]
    torch.testing.assert_close(scaled, (first * pooled).relu())
    torch.testing.assert_close(product, scaled * first)


def test_a_convolution_has_two_strides_and_a_dilation() -> None:
    text = "[convolutional]\nfilters=8\nsize=3\npad=1\n"
    shapes = [layer.shape for layer in network_of(NET + text + "stride_x=2\n" + text + "dilation=2\n").layers]
    assert shapes == [(8, 8, 4), (8, 8, 4)]
    values, _ = outputs_of(NET + text + "stride_x=2\n" + text + "dilation=2\n")
    assert [tuple(value.shape[1:]) for value in values] == shapes
    with pytest.raises(InvalidDeclaration, match="dilation"):
        network_of(NET + text + "dilation=2\nstride=2\n")


def test_an_activation_and_an_empty_layer_stand_alone() -> None:
    first, empty, mish = outputs_of(NET + CONV + "[empty]\n[activation]\nactivation=mish\n")[0]
    assert torch.equal(empty, first)
    torch.testing.assert_close(mish, F.mish(first))


def test_the_outputs_are_the_heads_or_else_the_last_layer() -> None:
    heads = read_network(describe("yolov3-tiny", size=32, classes=1))
    assert build_model(heads, random_weights(heads, seed=0)).graph.outputs == ("yolo_16", "yolo_23")
    none = network_of(NET + CONV)
    assert build_model(none, random_weights(none, seed=0)).graph.outputs == ("convolutional_0",)


def test_weights_that_overflow_once_folded_are_refused() -> None:
    network = network_of(NET + CONV + "batch_normalize=1\n")
    weights = random_weights(network, seed=0)
    normalization = weights.convolutions[0].normalization
    assert normalization is not None
    normalization.scales[:] = 3e38
    normalization.variance[:] = 0
    with pytest.raises(InvalidWeights, match=r"convolutional_0: .*folded"):
        build_model(network, weights)


def test_a_model_is_loaded_from_its_two_files(tmp_path: Path) -> None:
    cfg, weights = tmp_path / "a.cfg", tmp_path / "a.weights"
    cfg.write_text(write_cfg(describe("yolov2-tiny", size=32, classes=1)))
    network = load_network(cfg)
    with weights.open("wb") as stream:
        write_weights(stream, network, random_weights(network, seed=2))
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    loaded, built = load_model(cfg, weights), build_model(network, random_weights(network, seed=2))
    assert torch.equal(loaded.graph.run(x)["region_15"], built.graph.run(x)["region_15"])


def test_a_cfg_that_is_no_text_or_not_there_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "binary.cfg").write_bytes(b"[net]\n\xff\xfe")
    with pytest.raises(InvalidDeclaration, match=r"binary\.cfg: byte 6 is not UTF-8; save the file as UTF-8"):
        load_network(tmp_path / "binary.cfg")
    (tmp_path / "weights.cfg").write_bytes(b"\0\1\xff\xfe")
    with pytest.raises(InvalidDeclaration, match="is this the weights file"):
        load_network(tmp_path / "weights.cfg")
    with pytest.raises(InvalidDeclaration, match=r"none\.cfg: cannot be read"):
        load_network(tmp_path / "none.cfg")
