"""`.integers`: a calibration: int8 weights, int32 biases, scales. It belongs to one model and to no other."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from quant.affine import QParams
from quant.errors import QuantError
from quant.operations import Weighted
from quant.precision import Precision
from quant.scales import Calibration, IntegerWeights
from services.edge.errors import DamagedFile, OtherModel
from services.workbench.model import Model
from services.workbench.tensor_file import read_tensor_file, write_tensor_file

KIND = "strata-integers"
SUFFIX = ".integers"


def write_integers(path: Path, model: Model, calibration: Calibration, auto_plan: dict[str, Precision]) -> None:
    """Write the whole file or nothing.

    Args:
        auto_plan: the precisions that `auto` runs with; empty where none were chosen yet.
    Raises:
        InvalidInput: it cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for name, integers in calibration.weights.items():
        tensors |= {f"{name}:codes": integers.codes, f"{name}:scale": integers.scale, f"{name}:bias": integers.bias}
    content = {
        "model": model.name,
        "model_digest": model.digest,
        "values": {name: [qparams.scale, qparams.zero_point] for name, qparams in calibration.values.items()},
        "x_scales": {name: integers.x_scale for name, integers in calibration.weights.items()},
        "auto_plan": {name: precision.value for name, precision in auto_plan.items()},
    }
    write_tensor_file(path, KIND, content, tensors)


def read_integers(path: Path, model: Model) -> tuple[Calibration, dict[str, Precision]]:
    """Read the integers of a model, and the plan of `auto`.

    Raises:
        ArtifactNotFound, ForeignFile, OtherVersion, DamagedFile: see `read_tensor_file`.
        OtherModel: they were made from another model, or from other weights.
    """
    file = read_tensor_file(path, KIND)
    content = file.content
    if content.get("model_digest") != model.digest:
        raise OtherModel(
            f"{path}: integers of the model {content.get('model')!r} with other layers or weights than {model.name!r}; "
            "calibrate this model"
        )
    try:
        values = {name: QParams(float(scale), int(zero)) for name, (scale, zero) in content["values"].items()}
        weights = {name: _integers(model, name, content, file.tensors) for name in content["x_scales"]}
        plan = {name: Precision(precision) for name, precision in content["auto_plan"].items()}
    except (KeyError, TypeError, ValueError, QuantError) as error:
        raise DamagedFile(f"{path}: what it holds does not fit the model: {error}") from error
    return Calibration(values, weights), plan


def _integers(model: Model, name: str, content: Any, tensors: Any) -> IntegerWeights:
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
    if not bool((scale > 0).all() and torch.isfinite(scale).all()):
        raise ValueError(f"layer {name!r} has a scale that is not positive and finite")
    return IntegerWeights(codes, scale, bias, float(content["x_scales"][name]))
