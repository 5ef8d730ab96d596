"""The example detector: yolov3-tiny's layers with fewer channels, for pictures of 192 x 192 and six classes."""

from examples.detector.scenes import CLASSES, SIZE
from services.zoo.darknet.cfg import Section
from services.zoo.darknet.networks import conv, maxpool, route, section, upsample, yolo

_ANCHORS = "16,16,22,22,31,31,43,43,59,59,82,82"  # the middle of each sixth of the drawn sizes, on a logarithmic scale


def describe_detector() -> tuple[Section, ...]:
    """The sections of its cfg."""
    return (
        section("net", batch=1, width=SIZE, height=SIZE, channels=3),
        *(conv(16), maxpool(), conv(32), maxpool(), conv(64), maxpool(), conv(128), maxpool()),
        *(conv(128), maxpool(), conv(128), maxpool(2, 1), conv(192), conv(96, 1), conv(192)),
        *yolo("3,4,5", _ANCHORS, len(CLASSES)),
        *(route(-4), conv(64, 1), upsample(), route(-1, 8), conv(128)),
        *yolo("0,1,2", _ANCHORS, len(CLASSES)),
    )
