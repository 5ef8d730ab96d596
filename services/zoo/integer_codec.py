"""Integers - int8 weights, int32 biases, scales - as the bytes of an `.integers` file, and back.

They belong to one model and to no other.
"""

import math
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from quant.affine import QParams
from quant.errors import QuantError
from quant.graph import Graph
from quant.operations import Weighted
from quant.precision import Precision
from quant.scales import Calibration, IntegerWeights
from services.edge.errors import DamagedFile, OtherModel
from services.zoo.integers import Integers, Machine
from services.zoo.tensor_codec import decode_tensor_file, encode_tensor_file

KIND = "strata-integers"


class QuantisedModel(Protocol):
    """What integers belong to."""

    @property
    def name(self) -> str: ...

    @property
    def graph(self) -> Graph: ...

    @property
    def digest(self) -> str: ...


def encode_integers(model: QuantisedModel, integers: Integers) -> bytes:
    """The whole file as bytes."""
    calibration, tensors = integers.calibration, dict[str, Tensor]()
    for name, found in calibration.weights.items():
        tensors |= {f"{name}:codes": found.codes, f"{name}:scale": found.scale, f"{name}:bias": found.bias}
    for name, found in integers.auto_weights.items():
        tensors |= {f"{name}:auto_codes": found.codes, f"{name}:auto_bias": found.bias}
    content = {
        "model": model.name,
        "model_digest": model.digest,
        "isa": integers.isa,
        "values": {name: [qparams.scale, qparams.zero_point] for name, qparams in calibration.values.items()},
        "x_scales": {name: found.x_scale for name, found in calibration.weights.items()},
        "auto_plan": dict(integers.auto_plan),
        "auto_measured_on": integers.measured_on._asdict() if integers.measured_on else None,
        "edited_precisions": dict(integers.edited),
        "auto_weights": list(integers.auto_weights),
    }
    return encode_tensor_file(KIND, content, tensors)


def decode_integers(data: bytes, model: QuantisedModel, source: str = "the integers") -> Integers:
    """The integers of a model again.

    Args:
        source: where the bytes come from, for errors.
    Raises:
        ForeignFile, OtherVersion, DamagedFile: see `decode_tensor_file`.
        OtherModel: they were made from another model, or from other weights.
    """
    file = decode_tensor_file(data, KIND, source)
    content = file.content
    if content.get("model_digest") != model.digest:
        raise OtherModel(
            f"{source}: integers of the model {content.get('model')!r} with other layers or weights than "
            f"{model.name!r}; calibrate this model"
        )
    try:
        values = {name: QParams(float(scale), int(zero)) for name, (scale, zero) in content["values"].items()}
        weights = {name: _integers(model, name, content, file.tensors) for name in content["x_scales"]}
        # files of earlier builds do not say where they were made, and hold no edited precisions or weights of auto
        measured_on = content.get("auto_measured_on")
        return Integers(
            Calibration(values, weights),
            _plan(model, content["auto_plan"]),
            Machine(str(measured_on["isa"]), int(measured_on["threads"])) if measured_on else None,
            _plan(model, content.get("edited_precisions", {})),
            str(content.get("isa", "")),
            {name: _auto_weights(weights[name], name, file.tensors) for name in content.get("auto_weights", ())},
        )
    except (KeyError, TypeError, ValueError, AttributeError, QuantError) as error:
        raise DamagedFile(f"{source}: what it holds does not fit the model: {error}") from error


def _plan(model: QuantisedModel, content: Any) -> dict[str, Precision]:
    return {model.graph.layer(name).name: Precision(precision) for name, precision in content.items()}


def _auto_weights(shared: IntegerWeights, name: str, tensors: Any) -> IntegerWeights:
    codes, bias = tensors[f"{name}:auto_codes"], tensors[f"{name}:auto_bias"]
    if (codes.shape, codes.dtype, bias.shape, bias.dtype) != (
        *(shared.codes.shape, shared.codes.dtype),
        *(shared.bias.shape, shared.bias.dtype),
    ):
        raise ValueError(f"layer {name!r} has other shapes or types in auto")
    return replace(shared, codes=_checked(codes, name), bias=bias)


def _integers(model: QuantisedModel, name: str, content: Any, tensors: Any) -> IntegerWeights:
    codes, scale, bias = (tensors[f"{name}:{part}"] for part in ("codes", "scale", "bias"))
    operation = model.graph.layer(name).operation
    fits = (
        isinstance(operation, Weighted)
        and codes.shape == operation.weight.shape
        and scale.shape == bias.shape == operation.bias.shape
        and (codes.dtype, scale.dtype, bias.dtype) == (torch.int8, torch.float32, torch.int32)
    )
    if not fits:
        raise ValueError(f"layer {name!r} has other shapes or types")
    x_scale = float(content["x_scales"][name])
    if not bool((scale > 0).all() and torch.isfinite(scale).all() and 0 < x_scale < math.inf):
        raise ValueError(f"layer {name!r} has a scale that is not positive and finite")
    return IntegerWeights(_checked(codes, name), scale, bias, x_scale)


def _checked(codes: Tensor, name: str) -> Tensor:
    """The codes themselves. Raises ValueError: -128 has no opposite, and sums of it need not be exact."""
    if int(codes.min()) < -127:
        raise ValueError(f"layer {name!r} has a code beyond -127 to 127")
    return codes
