"""Messages of strata.workbench.v1 -> what callers ask for."""

from typing import TypedDict

import torch
from torch import Tensor

from quant.calibration import BEST, Granularity
from quant.edits import Edit, EditBias, EditCodes, EditPrecision, EditRange, EditScale, EditWeights
from quant.errors import LayerNotFound
from quant.precision import Mode, Precision
from quant.stepping import Visit
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.edge.errors import InvalidInput
from services.workbench.layer_card import TensorPart
from services.workbench.pictures import EncodedPicture
from services.workbench.running import Naming
from services.workbench.session import Session
from services.workbench.session_log import NamedModel
from services.workbench.workbench import CalibrationRequest

MODES = {pb.MODE_FLOAT: Mode.FLOAT, pb.MODE_HYBRID: Mode.HYBRID, pb.MODE_INT8: Mode.INT8, pb.MODE_AUTO: Mode.AUTO}
PRECISIONS = {
    pb.PRECISION_FLOAT: Precision.FLOAT,
    pb.PRECISION_HYBRID: Precision.HYBRID,
    pb.PRECISION_INT8: Precision.INT8,
}
PRECISION_MESSAGES = {precision: number for number, precision in PRECISIONS.items()}
PARTS = {
    pb.ReadTensorRequest.KIND_VALUE: TensorPart.VALUE,
    pb.ReadTensorRequest.KIND_SUMS: TensorPart.SUMS,
    pb.ReadTensorRequest.KIND_WEIGHTS: TensorPart.WEIGHTS,
    pb.ReadTensorRequest.KIND_BIAS: TensorPart.BIAS,
    pb.ReadTensorRequest.KIND_CODES: TensorPart.CODES,
    pb.ReadTensorRequest.KIND_SCALES: TensorPart.SCALES,
}

_PICTURE = "the picture"


def mode_from_message(mode: "pb.Mode.ValueType") -> Mode | None:
    """None where it is unspecified. Raises InvalidInput."""
    if mode == pb.MODE_UNSPECIFIED:
        return None
    if mode not in MODES:
        raise InvalidInput(f"mode {mode}: it is 1 (float), 2 (hybrid), 3 (int8) or 4 (auto)")
    return MODES[mode]


def model_from_message(message: pb.OpenSessionRequest) -> NamedModel | str:
    """A model by name, or the id of its file. Raises InvalidInput where neither is given."""
    match message.WhichOneof("model"):
        case "named" if message.named.name:
            return NamedModel(message.named.name, message.named.weights or None, message.named.size or None)
        case "model_file" if message.model_file:
            return message.model_file
    raise InvalidInput("which model? give `named` with a name that ListModels gives, or the `model_file` of an upload")


def picture_from_message(data: bytes, name: str) -> EncodedPicture:
    """Raises InvalidInput where there is none."""
    if not data:
        raise InvalidInput("a picture is needed: JPEG, PNG, WebP, BMP or GIF")
    return EncodedPicture(name or _PICTURE, data)


def pictures_from_message(message: pb.Picture, number: int) -> EncodedPicture:
    """One of several."""
    return EncodedPicture(message.name or f"picture {number}", message.data, message.label)


def calibration_from_message(options: pb.CalibrateRequest.Options) -> CalibrationRequest:
    """How to calibrate."""
    return CalibrationRequest(
        options.algorithm or BEST,
        Granularity.TENSOR if options.per_tensor else Granularity.CHANNEL,
        options.augment,
        options.auto,
        options.discard_edits,
    )


def step_from_message(message: pb.StepRequest, session: Session) -> Visit:
    """Step a session. Raises InvalidInput and LayerNotFound; on either it stays where it was."""
    match message.WhichOneof("where"):
        case "forward":
            return session.jump(_layer_from(session, message.forward))
        case "back":
            return session.jump(_layer_from(session, -message.back))
        case "layer":
            return session.jump(message.layer)
        case "end" if message.end:
            return session.jump(session.layers[-1])
    raise InvalidInput("where to? give forward, back, layer or end")


def part_from_message(kind: "pb.ReadTensorRequest.Kind.ValueType") -> TensorPart:
    """Which of a layer's tensors. Raises InvalidInput."""
    if kind not in PARTS:
        raise InvalidInput(f"kind {kind}: it is {min(PARTS)} to {max(PARTS)}")
    return PARTS[kind]


def naming_from_message(message: pb.RunRequest) -> Naming:
    """What to name of what is found. Raises InvalidInput."""
    threshold = message.threshold if message.HasField("threshold") else 0.5
    if not 0 <= threshold <= 1:
        raise InvalidInput(f"threshold {threshold:g}: from 0 to 1")
    return {"top": message.top_k or 5, "threshold": threshold}


class ComparedWith(TypedDict):
    """With what a layer's value is compared: see `Session.compare`."""

    branch: str | None
    layer: str | None
    with_float: bool


def comparison_from_message(message: pb.CompareRequest) -> ComparedWith:
    """What to compare."""
    return {"branch": message.branch or None, "layer": message.layer or None, "with_float": message.with_float}


def edit_from_message(message: pb.EditRequest, layer: str) -> Edit:
    """One edit of a layer.

    Raises:
        InvalidInput: none is given, or not the numbers that it takes.
    """
    match message.WhichOneof("edit"):
        case "weights":
            return EditWeights(layer, *_numbers(message.weights))
        case "codes":
            values, place = _numbers(message.codes)
            if not bool((values == values.trunc()).all()):
                raise InvalidInput(f"codes of layer {layer!r} are whole numbers from -127 to 127")
            return EditCodes(layer, values.clamp(-1e9, 1e9).to(torch.int64), place)
        case "bias":
            return EditBias(layer, *_numbers(message.bias))
        case "scale":
            return EditScale(layer, message.scale.channel, message.scale.scale)
        case "range":
            return EditRange(layer, message.range.low, message.range.high)
        case "precision" if message.precision in PRECISIONS:
            return EditPrecision(layer, PRECISIONS[message.precision])
    raise InvalidInput("which edit? give weights, codes, bias, scale, range or precision")


def _layer_from(session: Session, step: int) -> str:
    """The layer so many after the one that one stands at."""
    if step == 0:
        raise InvalidInput("a step of 0 leads nowhere: give at least 1")
    at = (session.layers.index(session.layer) if session.layer else -1) + step
    if not 0 <= at < len(session.layers):
        side = "after" if step > 0 else "before"
        raise LayerNotFound(f"there are not so many layers {side} {session.layer or 'the start'!r}")
    return session.layers[at]


def _numbers(message: pb.EditRequest.Numbers) -> tuple[Tensor, tuple[int, ...]]:
    if not message.values:
        raise InvalidInput("an edit of numbers needs at least one")
    return torch.tensor(list(message.values)), tuple(message.place)
