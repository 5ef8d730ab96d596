"""The heads of a declared detector: those on an ONNX program, and what a service is told of any."""

import onnx

from quant.graph import Graph
from quant.operations import Region, Yolo
from services.edge.errors import InvalidDeclaration
from services.zoo.detection_declaration import DetectionDeclaration, HeadDeclaration, HeadKind
from services.zoo.from_onnx.heads import OnnxHead, stored_heads
from services.zoo.manifest import DetectionSpec, HeadSpec
from services.zoo.model_file import ModelFile

_V5_SCALE = 2.0
"""x and y reach half a cell beyond their own: `xy * 2 - 0.5` in Detect of ultralytics/yolov5's models/yolo.py."""


def declared_heads(model_file: ModelFile, program: onnx.ModelProto, file: str) -> tuple[OnnxHead, ...]:
    """The heads that a model file declares, else those that its program's file holds; of a classifier none.

    Raises:
        InvalidDeclaration: a detector whose heads neither says.
        DamagedFile: what the file holds is no list of heads.
    """
    declared = model_file.detection
    if declared is None:
        return ()
    if declared.heads:
        classes = model_file.classes or len(model_file.label_names())
        return tuple(
            OnnxHead(f"head_{number}", head.value, _operation(declared.kind, head, classes), declared.kind == "yolov5")
            for number, head in enumerate(declared.heads, 1)
        )
    found = stored_heads(program, file)
    if not found:
        raise InvalidDeclaration(
            f"model '{model_file.name}': {file} holds no heads, as programs do that `strata quant export` wrote; "
            "declare them as detection.heads, each with value and anchors"
        )
    return found


def _operation(kind: HeadKind, head: HeadDeclaration, classes: int) -> Yolo | Region:
    match kind:
        case "yolov2":
            return Region(classes, head.anchors)
        case "yolov3":
            return Yolo(classes, head.anchors, head.scale_x_y)
        case "yolov5":
            return Yolo(classes, head.anchors, _V5_SCALE, new_coords=True)


def detection_of(graph: Graph, declared: DetectionDeclaration | None) -> DetectionSpec | None:
    """What a service needs to make boxes of the graph's outputs; None where these are class scores."""
    heads = [(name, graph.layer(name).operation) for name in graph.outputs]
    found = tuple(
        _head(graph.shapes[name], operation) for name, operation in heads if isinstance(operation, Yolo | Region)
    )
    wanted = declared or DetectionDeclaration()
    return DetectionSpec(found, wanted.threshold, wanted.suppression_iou) if found else None


def _head(shape: tuple[int, ...], head: Yolo | Region) -> HeadSpec:
    channels, height, width = shape
    return HeadSpec(
        (channels, height, width),
        head.classes,
        head.anchors,
        head.in_cells,
        head.new_coords,
        head.distance_exponent,
    )
