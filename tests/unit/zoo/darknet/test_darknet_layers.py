import pytest
import torch

from quant.activation import Activation
from quant.operations import MaxPool, Yolo
from services.edge.errors import InvalidDeclaration
from services.zoo.darknet.cfg import parse_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.networks import NAMES, describe
from services.zoo.darknet.structure import Convolutional, Network, Route, Shape, Shortcut

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"
CONV = "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=leaky\n"  # six lines


def read(text: str) -> Network:
    return read_network(parse_cfg(text, "net.cfg"))


@pytest.mark.parametrize(
    ("name", "layers", "last"),
    [
        ("darknet19", 26, Shape(1000, 1, 1)),
        ("yolov2", 32, Shape(425, 13, 13)),
        ("yolov2-tiny", 16, Shape(425, 13, 13)),
        ("yolov3", 107, Shape(255, 52, 52)),
        ("yolov3-spp", 114, Shape(255, 52, 52)),
        ("yolov3-tiny", 24, Shape(255, 26, 26)),
        ("yolov4-tiny", 38, Shape(255, 26, 26)),
    ],
)
def test_a_network_has_its_published_layers(name: str, layers: int, last: Shape) -> None:
    network = read_network(describe(name, size=256 if name == "darknet19" else 416))
    assert (len(network.layers), network.layers[-1].shape) == (layers, last)


def test_all_seven_networks_are_here() -> None:
    assert sorted(NAMES) == [
        *("darknet19", "yolov2", "yolov2-tiny", "yolov3", "yolov3-spp", "yolov3-tiny", "yolov4-tiny")
    ]


def test_a_layer_has_what_its_section_says() -> None:
    layer = read(NET + CONV.replace("[convolutional]", "[conv]") + "batch_normalize=1\n").layers[0]
    assert layer.operation == Convolutional(8, 3, 3, (1, 1), 1, 1, True, Activation.LEAKY)
    assert (layer.name, layer.inputs, layer.shape) == ("convolutional_0", (-1,), Shape(8, 32, 32))


def test_a_pool_of_stride_one_pads_right_and_below() -> None:
    assert read(NET + "[maxpool]\nsize=2\nstride=1\n").layers[0].operation == MaxPool((2, 2), (1, 1), (0, 1, 0, 1))


def test_padding_that_no_window_reaches_is_left_out() -> None:
    assert read(NET + "[maxpool]\nsize=2\nstride=2\n").layers[0].operation == MaxPool((2, 2), (2, 2))
    odd = read("[net]\nwidth=5\nheight=4\nchannels=1\n[maxpool]\nsize=2\nstride=2\n").layers[0]
    assert (odd.operation, odd.shape) == (MaxPool((2, 2), (2, 2), (0, 1, 0, 0)), Shape(1, 2, 3))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", range(8))
@pytest.mark.parametrize("side", [5, 6])
def test_a_pool_is_refused_exactly_where_a_window_holds_no_pixel(
    size: int, stride: int, padding: int, side: int
) -> None:
    text = f"[net]\nwidth={side}\nheight={side}\nchannels=1\n[maxpool]\n"
    text += f"size={size}\nstride={stride}\npadding={padding}\n"
    before = padding // 2
    padded = torch.nn.functional.pad(torch.zeros(1, side, side), [before, padding - before] * 2, value=-torch.inf)
    wanted = torch.nn.functional.max_pool2d(padded, size, stride)
    if not wanted.isfinite().all():
        with pytest.raises(InvalidDeclaration, match="hold no pixel"):
            read(text)
        return
    layer = read(text).layers[0]
    assert isinstance(layer.operation, MaxPool)
    assert torch.equal(layer.operation.run(torch.zeros(1, 1, side, side))[0], wanted)
    assert tuple(wanted.shape) == tuple(layer.shape)


def test_a_route_takes_its_group_of_each_input() -> None:
    layer = read(NET + CONV + CONV + "[route]\nlayers=-1,0\ngroups=2\ngroup_id=1\n").layers[2]
    assert (layer.operation, layer.inputs, layer.shape) == (Route(2, 1), (1, 0), Shape(8, 32, 32))


def test_a_shortcut_reads_the_layer_before_first() -> None:
    layer = read(NET + CONV + CONV + "[shortcut]\nfrom=-2\nactivation=linear\n").layers[2]
    assert (layer.operation, layer.inputs) == (Shortcut(Activation.NONE), (1, 0))


@pytest.mark.parametrize(
    ("options", "exponent"),
    [
        ("", None),
        ("nms_kind=default\nbeta_nms=0.3\n", None),
        ("nms_kind=greedynms\nbeta_nms=0.3\n", 0.6),
        ("nms_kind=diounms\nbeta_nms=0.3\n", 0.3),
        ("nms_kind=diounms\n", 0.6),
    ],
)
def test_a_head_says_how_its_boxes_are_suppressed(options: str, exponent: float | None) -> None:
    head = read(f"{NET}{CONV}[yolo]\nnum=1\nclasses=3\nanchors=1,2\nnew_coords=1\n{options}").layers[1].operation
    assert head == Yolo(3, ((1.0, 2.0),), new_coords=True, distance_exponent=exponent)


def test_a_head_keeps_the_anchors_of_its_mask() -> None:
    head = "[yolo]\nmask=1\nnum=2\nclasses=3\nanchors=1,2,3,4\nscale_x_y=1.05\n"
    assert read(NET + CONV + head).layers[1].operation == Yolo(3, ((3.0, 4.0),), 1.05)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (NET, ["no layer"]),
        ("[net]\nwidth=32\nheight=32\n" + CONV, ["line 1", "[net] channels", "missing"]),
        ("[net]\nwidth=0\nheight=32\nchannels=3\n" + CONV, ["line 2", "[net] width", "least is 1"]),
        ("[net]\nwidth=99999\nheight=99999\nchannels=3\n" + CONV, ["[net] width", "elements"]),
        (NET + CONV + NET, ["line 11", "stands once"]),
        (NET + CONV + "[route]\nlayers=-2", ["line 12", "[route] layers", "-2 leads to layer -1", "layers 0 to 0"]),
        (NET + CONV + "[route]\nlayers=5", ["line 12", "layer 5", "this is layer 1"]),
        (NET + "[route]\nlayers=-1", ["line 6", "no layer stands before"]),
        (NET + CONV + "[route]\n", ["line 11", "[route] layers", "missing"]),
        (NET + CONV + "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=0,1", ["line 15", "32 x 32", "16 x 16"]),
        (NET + CONV + "[route]\nlayers=-1\ngroups=3", ["line 13", "[route] groups", "8 channels"]),
        (NET + CONV + "[route]\nlayers=-1\ngroups=2\ngroup_id=2", ["line 14", "no group 2 of 2"]),
        (NET + CONV + "[maxpool]\nstride=3\n[shortcut]\nfrom=0", ["line 14", "[shortcut] from", "(8, 32, 32)"]),
        (NET + CONV.replace("leaky", "leakey"), ["line 10", "[convolutional] activation", "'leakey'", "leaky"]),
        (NET + CONV.replace("stride=1", "stride=0"), ["line 8", "[convolutional] stride", "least is 1"]),
        (NET + CONV.replace("size=3", "size=99").replace("pad=1", "pad=0"), ["line 7", "window of 99"]),
        (NET + CONV + "groups=2", ["line 11", "[convolutional] groups"]),
        (NET + "[maxpool]\nsize=2\nstride=1\npadding=4\n", ["line 8", "[maxpool] padding", "hold no pixel"]),
        (NET + "[maxpool]\nsize=2\nstride=1\npadding=3\n", ["line 8", "[maxpool] padding", "hold no pixel"]),
        (NET + "[maxpool]\nsize=1\nstride=1\npadding=1\n", ["line 8", "[maxpool] padding", "hold no pixel"]),
        (NET + CONV + "[upsample]\nstride=100000", ["line 11", "[upsample]", "elements"]),
        (NET + CONV + "[reorg]\nstride=3", ["line 12", "[reorg] stride"]),
        (NET + CONV + "[softmax]\n", ["line 11", "avgpool"]),
        (NET + CONV + "[yolo]\nclasses=3\nnum=2\nanchors=1,2,3", ["line 14", "3 numbers", "needs 4"]),
        (
            NET + CONV + "[yolo]\nclasses=3\nnum=1\nanchors=1,2\nnms_kind=nonsense",
            ["line 15", "[yolo] nms_kind", "greedynms"],
        ),
        (NET + CONV + "[yolo]\nclasses=3\nnum=1\nanchors=0,2", ["line 14", "[yolo] anchors", "above 0"]),
        (NET + CONV + "[yolo]\nclasses=4\nnum=1\nanchors=1,2", ["line 12", "[yolo] classes", "8 channels", "need 9"]),
        (NET + CONV + "[yolo]\nclasses=3\nnum=1\nmask=1\nanchors=1,2", ["line 14", "[yolo] mask"]),
        (NET + CONV + "[region]\nclasses=3\nnum=1\nanchors=1,2\n", ["line 11", "[region] softmax", "only 1"]),
    ],
)
def test_what_does_not_fit_names_line_and_option(text: str, parts: list[str]) -> None:
    with pytest.raises(InvalidDeclaration) as fault:
        read(text)
    assert str(fault.value).startswith("net.cfg")
    for part in parts:
        assert part in str(fault.value)
