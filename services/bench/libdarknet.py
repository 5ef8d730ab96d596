"""Debian's libdarknet through ctypes: the independent oracle. Its structures are read from its own header."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from services.zoo.detection import Detection

Floats = NDArray[np.float32]

_ROOT = Path("/usr/lib/darknet")
STOCK_CFGS = Path("/usr/share/darknet/cfg")


def available() -> bool:
    """Is Debian's darknet package installed?"""
    return (_ROOT / "libdarknet.so").exists()


_PLAIN: dict[str, Any] = {"int": ctypes.c_int, "float": ctypes.c_float, "size_t": ctypes.c_size_t}


@cache
def _structures() -> dict[str, type[ctypes.Structure]]:
    """`layer`, `network`, `image`, `box` and `detection` of darknet.h, as built without GPU."""
    header = re.sub(r"//.*", "", (_ROOT / "include/darknet.h").read_text())
    lines, depth = [], 0
    for line in header.splitlines():
        if depth or line.strip() == "#ifdef GPU":
            depth += line.strip().startswith("#if") - line.strip().startswith("#endif")
        else:
            lines.append(line)
    plain = "\n".join(lines)
    structures: dict[str, type[ctypes.Structure]] = {}
    for name, pattern in (
        ("box", r"typedef struct\{([^{}]*)\} box;"),
        ("image", r"typedef struct\s*\{([^{}]*)\} image;"),
        ("detection", r"typedef struct detection\{([^{}]*)\} detection;"),
        ("layer", r"struct layer\{([^{}]*)\};"),
        ("network", r"typedef struct network\{([^{}]*)\} network;"),
    ):
        body = re.search(pattern, plain)
        assert body, f"darknet.h has no {name} as this test knows it"
        fields = list(_fields(body[1], structures))
        structures[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return structures


def _fields(body: str, known: dict[str, type[ctypes.Structure]]) -> Iterator[tuple[str, Any]]:
    for declaration in filter(None, (part.strip() for part in body.split(";"))):
        function = re.match(r"void\s*\(\*(\w+)\)", declaration)
        if function:
            yield function[1], ctypes.c_void_p
            continue
        kind, names = re.match(r"(?:struct\s+)?(\w+)\s+(.*)", declaration, re.S).groups()  # type: ignore[union-attr]
        for name in names.split(","):
            stars, bare = name.count("*"), name.replace("*", "").strip()
            if kind == "float" and stars == 1:
                yield bare, ctypes.POINTER(ctypes.c_float)
            elif stars:
                yield bare, ctypes.c_void_p
            else:
                yield bare, known.get(kind, _PLAIN.get(kind, ctypes.c_int))  # what is left are enumerations


@cache
def _library() -> Any:
    library, of = ctypes.CDLL(str(_ROOT / "libdarknet.so")), _structures()
    # Built with -Ofast, it makes the whole process flush subnormal numbers to zero when it is loaded.
    torch.set_flush_denormal(False)
    network, floats = ctypes.POINTER(of["network"]), ctypes.POINTER(ctypes.c_float)
    library.load_network.restype = network
    library.load_network.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
    library.set_batch_network.argtypes = [network, ctypes.c_int]
    library.free_network.argtypes = [network]
    library.network_predict.argtypes = [network, floats]
    library.network_predict.restype = floats
    detections = ctypes.POINTER(of["detection"])
    library.get_network_boxes.restype = detections
    library.get_network_boxes.argtypes = [
        *(network, ctypes.c_int, ctypes.c_int, ctypes.c_float, ctypes.c_float),
        *(ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)),
    ]
    library.do_nms_sort.argtypes = [detections, ctypes.c_int, ctypes.c_int, ctypes.c_float]
    library.free_detections.argtypes = [detections, ctypes.c_int]
    library.letterbox_image.argtypes = [of["image"], ctypes.c_int, ctypes.c_int]
    library.letterbox_image.restype = of["image"]
    library.free_image.argtypes = [of["image"]]
    return library


class LoadedNetwork:
    """A network that libdarknet has read from a cfg and weights."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def outputs(self, x: Floats) -> list[Floats]:
        """Run one input [C, H, W]; every layer's output, flat."""
        flat = np.ascontiguousarray(x, np.float32)
        _library().network_predict(self._handle, flat.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
        net = self._handle.contents
        layers = ctypes.cast(net.layers, ctypes.POINTER(_structures()["layer"]))
        return [np.ctypeslib.as_array(layers[k].output, (layers[k].outputs,)).copy() for k in range(net.n)]

    def detections(
        self, picture_height: int, picture_width: int, threshold: float, suppression_iou: float
    ) -> list[Detection]:
        """The boxes of the last run, as `darknet detect` finds them, in no order."""
        library, count = _library(), ctypes.c_int()
        boxes = library.get_network_boxes(
            self._handle, picture_width, picture_height, threshold, 0.5, None, 1, ctypes.byref(count)
        )
        if not count.value:
            return []
        layers = ctypes.cast(self._handle.contents.layers, ctypes.POINTER(_structures()["layer"]))
        classes = layers[self._handle.contents.n - 1].classes
        library.do_nms_sort(boxes, count, classes, suppression_iou)
        found = []
        for k in range(count.value):
            box = boxes[k].bbox
            found += [
                Detection(label, boxes[k].prob[label], box.x, box.y, box.w, box.h)
                for label in range(classes)
                if boxes[k].objectness and boxes[k].prob[label] > threshold
            ]
        library.free_detections(boxes, count)
        return found


@contextmanager
def loaded(cfg: Path, weights: Path) -> Iterator[LoadedNetwork]:
    """A network of libdarknet's, freed at the end. Darknet ends the process on a file it dislikes."""
    handle = _library().load_network(str(cfg).encode(), str(weights).encode(), 0)
    _library().set_batch_network(handle, 1)
    try:
        yield LoadedNetwork(handle)
    finally:
        _library().free_network(handle)


def letterbox(planes: Floats, height: int, width: int) -> Floats:
    """libdarknet's letterbox of [3, H, W], 0 to 1."""
    image = _structures()["image"]
    flat = np.ascontiguousarray(planes, np.float32)
    given = image(planes.shape[2], planes.shape[1], 3, flat.ctypes.data_as(ctypes.POINTER(ctypes.c_float)))
    framed = _library().letterbox_image(given, width, height)
    result = np.ctypeslib.as_array(framed.data, (3, height, width)).copy()
    _library().free_image(framed)
    return result
