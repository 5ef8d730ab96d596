"""`detection:` of a detector's model file."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from services.edge.declaration import Declaration

Side: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
HeadKind: TypeAlias = Literal["yolov2", "yolov3", "yolov5"]


class HeadDeclaration(Declaration):
    """A head of an ONNX program.

    `value` is what its last convolution gives, before any logistic function. `anchors` are (width, height) in pixels of
    the input, of yolov2 in cells.
    """

    value: str
    anchors: Annotated[tuple[tuple[Side, Side], ...], Field(min_length=1)]
    scale_x_y: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class DetectionDeclaration(Declaration):
    """Which boxes a detector answers; of an ONNX program also its heads, where its file does not hold them.

    `kind` is how boxes are made of the heads' numbers: as YOLOv2 does; as v3 and v4; or as v5, v7 and Scaled-YOLOv4.
    """

    threshold: Annotated[float, Field(ge=0, le=1)] = 0.25
    suppression_iou: Annotated[float, Field(ge=0, le=1)] = 0.45
    kind: HeadKind = "yolov3"
    heads: tuple[HeadDeclaration, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind != "yolov3" and not self.heads:
            raise ValueError(f"kind {self.kind} says how boxes are made of heads: declare these too, or leave it out")
        if self.kind != "yolov3" and any(head.scale_x_y != 1 for head in self.heads):
            raise ValueError(f"scale_x_y is for kind yolov3; leave it out of heads of {self.kind}")
        return self
