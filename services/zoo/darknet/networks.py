"""The Darknet networks by name, as compact descriptions from which their cfg is written.

Source of the layer facts: the cfg files of github.com/pjreddie/darknet (September 2018), and cfg/yolov4-tiny.cfg of
github.com/AlexeyAB/darknet. Only what inference needs is described; training options are left to Darknet's defaults.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from services.edge.errors import ModelNotFound
from services.zoo.darknet.cfg import Option, Section

_V2_ANCHORS = "0.57273,0.677385,1.87446,2.06253,3.33843,5.47434,7.88282,3.52778,9.77052,9.16828"
_V3_ANCHORS = "10,13,16,30,33,23,30,61,62,45,59,119,116,90,156,198,373,326"
_TINY_ANCHORS = "10,14,23,27,37,58,81,82,135,169,344,319"


def section(name: str, **options: object) -> Section:
    """One section of a cfg from Python values."""
    return Section(name, {option: Option(str(value)) for option, value in options.items()})


def conv(filters: int, size: int = 3, stride: int = 1) -> Section:
    """A convolution with batch normalisation and leaky activation: all but the heads' last ones are such."""
    return section(
        "convolutional", batch_normalize=1, filters=filters, size=size, stride=stride, pad=1, activation="leaky"
    )


def linear(filters: int) -> Section:
    """The 1 x 1 convolution that ends a network or feeds a head: no normalisation, no activation."""
    return section("convolutional", filters=filters, size=1, stride=1, pad=1, activation="linear")


def maxpool(size: int = 2, stride: int = 2) -> Section:
    return section("maxpool", size=size, stride=stride)


def route(*layers: int) -> Section:
    return section("route", layers=",".join(map(str, layers)))


def upsample() -> Section:
    return section("upsample", stride=2)


def yolo(mask: str, anchors: str, classes: int, **options: object) -> list[Section]:
    """The 1 x 1 convolution a YOLOv3 head needs, and the head."""
    predictors = len(mask.split(","))
    count = len(anchors.split(",")) // 2
    head = section("yolo", mask=mask, anchors=anchors, classes=classes, num=count, **options)
    return [linear(predictors * (5 + classes)), head]


def _region(classes: int) -> list[Section]:
    head = section("region", anchors=_V2_ANCHORS, classes=classes, coords=4, num=5, softmax=1)
    return [linear(5 * (5 + classes)), head]


def _darknet19_trunk() -> Iterable[Section]:
    """The 18 convolutions that darknet19 and yolov2 begin with."""
    yield from (conv(32), maxpool(), conv(64), maxpool())
    for filters, repeats in ((128, 2), (256, 2), (512, 3)):
        yield from _alternating(filters, repeats)
        yield maxpool()
    yield from _alternating(1024, 3)


def _alternating(filters: int, repeats: int) -> Iterable[Section]:
    """3 x 3 and 1 x 1 by turns, beginning and ending with the 3 x 3."""
    yield conv(filters)
    for _ in range(repeats - 1):
        yield from (conv(filters // 2, 1), conv(filters))


def _darknet19(classes: int) -> Iterable[Section]:
    yield from (*_darknet19_trunk(), linear(classes), section("avgpool"), section("softmax", groups=1))


def _yolov2(classes: int) -> Iterable[Section]:
    yield from (*_darknet19_trunk(), conv(1024), conv(1024))
    yield from (route(-9), conv(64, 1), section("reorg", stride=2), route(-1, -4), conv(1024))
    yield from _region(classes)


def _yolov2_tiny(classes: int) -> Iterable[Section]:
    yield from (*_tiny_trunk(), conv(512), *_region(classes))


def _tiny_trunk() -> Iterable[Section]:
    for filters in (16, 32, 64, 128, 256):
        yield from (conv(filters), maxpool())
    yield from (conv(512), maxpool(2, 1), conv(1024))


def _yolov3_tiny(classes: int) -> Iterable[Section]:
    yield from (*_tiny_trunk(), conv(256, 1), conv(512), *yolo("3,4,5", _TINY_ANCHORS, classes))
    yield from (route(-4), conv(128, 1), upsample(), route(-1, 8), conv(256))
    yield from yolo("0,1,2", _TINY_ANCHORS, classes)


def _darknet53_trunk() -> Iterable[Section]:
    yield conv(32)
    for filters, blocks in ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4)):
        yield conv(filters, stride=2)
        for _ in range(blocks):
            yield from (conv(filters // 2, 1), conv(filters), section("shortcut", **{"from": -3}, activation="linear"))


def _yolov3(classes: int, pyramid: Iterable[Section] = ()) -> Iterable[Section]:
    """Heads at 1/32, 1/16 and 1/8 of the input; the later two join layers 61 and 36 of the trunk."""
    yield from (*_darknet53_trunk(), conv(512, 1), conv(1024), conv(512, 1), *pyramid)
    if pyramid:
        yield conv(512, 1)
    yield from (conv(1024), conv(512, 1), conv(1024), *yolo("6,7,8", _V3_ANCHORS, classes))
    for filters, trunk_layer, mask in ((256, 61, "3,4,5"), (128, 36, "0,1,2")):
        yield from (route(-4), conv(filters, 1), upsample(), route(-1, trunk_layer))
        for _ in range(3):
            yield from (conv(filters, 1), conv(2 * filters))
        yield from yolo(mask, _V3_ANCHORS, classes)


def _yolov3_spp(classes: int) -> Iterable[Section]:
    """yolov3 with spatial pyramid pooling: three pools of one map, side by side with it."""
    pyramid = (maxpool(5, 1), route(-2), maxpool(9, 1), route(-4), maxpool(13, 1), route(-1, -3, -5, -6))
    return _yolov3(classes, pyramid)


def _yolov4_tiny(classes: int) -> Iterable[Section]:
    yield from (conv(32, stride=2), conv(64, stride=2))
    for filters in (64, 128, 256):
        half = filters // 2
        yield from (conv(filters), section("route", layers=-1, groups=2, group_id=1), conv(half), conv(half))
        yield from (route(-1, -2), conv(filters, 1), route(-6, -1), maxpool())
    options = {"scale_x_y": 1.05, "nms_kind": "greedynms", "beta_nms": 0.6}
    yield from (conv(512), conv(256, 1), conv(512), *yolo("3,4,5", _TINY_ANCHORS, classes, **options))
    yield from (route(-4), conv(128, 1), upsample(), route(-1, 23), conv(256))
    yield from yolo("1,2,3", _TINY_ANCHORS, classes, **options)


COCO_NAMES = (
    *("person", "bicycle", "car", "motorbike", "aeroplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "sofa"),
    *(
        "pottedplant",
        "bed",
        "diningtable",
        "toilet",
        "tvmonitor",
        "laptop",
        "mouse",
        "remote",
        "keyboard",
        "cell phone",
    ),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
"""What the detectors tell apart, in the order of their classes: COCO's categories, spelled as Darknet spells them."""

_NETWORKS: dict[str, tuple[Callable[[int], Iterable[Section]], int, int]] = {
    "darknet19": (_darknet19, 256, 1000),
    "yolov2": (_yolov2, 608, 80),
    "yolov2-tiny": (_yolov2_tiny, 416, 80),
    "yolov3": (_yolov3, 608, 80),
    "yolov3-spp": (_yolov3_spp, 608, 80),
    "yolov3-tiny": (_yolov3_tiny, 416, 80),
    "yolov4-tiny": (_yolov4_tiny, 416, 80),
}
NAMES = tuple(_NETWORKS)


def describe(name: str, *, size: int | None = None, classes: int | None = None) -> tuple[Section, ...]:
    """The sections of a network by name; `write_cfg` makes a cfg of them.

    Args:
        size: side of the square input in pixels, a multiple of 32; the cfg's own where not given.
        classes: how many classes it tells apart; ImageNet's 1000 or COCO's 80 where not given.
    Raises:
        ModelNotFound: there is no such network; the message lists those there are.
    """
    if name not in _NETWORKS:
        raise ModelNotFound(f"there is no Darknet network {name!r}; known are {', '.join(NAMES)}")
    layers, own_size, own_classes = _NETWORKS[name]
    side = size or own_size
    sections = section("net", batch=1, width=side, height=side, channels=3), *layers(classes or own_classes)
    return tuple(replace(each, file=name) for each in sections)


def class_names(name: str) -> tuple[str, ...]:
    """What a network's classes are called, where that is known: of the detectors, which tell COCO's categories apart.

    The order of ImageNet's classes in darknet19 is Darknet's own, and comes with its weights.
    """
    return COCO_NAMES if _NETWORKS[name][2] == len(COCO_NAMES) else ()
