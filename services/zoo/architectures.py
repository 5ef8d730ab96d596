"""Networks by name: torchvision's classifiers, NASNet-A, and what small pictures need of them."""

import inspect
from collections.abc import Callable
from typing import TypeAlias

import torchvision
from torch import nn

from services.edge.errors import InvalidDeclaration
from services.edge.suggestion import did_you_mean
from services.zoo.alexnet import AlexNet3C4F
from services.zoo.efficientnet import efficientnet_b0
from services.zoo.efficientnet_lite import EfficientNetLite
from services.zoo.nasnet import NASNetA

Parameter: TypeAlias = float | int | str


def architectures() -> list[str]:
    """Every name that `build` takes, sorted."""
    return sorted({*_OWN, *torchvision.models.list_models(module=torchvision.models)})


def build(architecture: str, classes: int, **parameters: Parameter) -> nn.Module:
    """Build a classifier from [N, 3, H, W] to scores [N, K], its weights not yet worth anything.

    Args:
        parameters: of the architecture, as `width_mult`; torchvision's classifiers take what their builders take.
    Raises:
        InvalidDeclaration: no such architecture or parameter, or a value that makes no network.
    """
    names = architectures()
    if architecture not in names:
        raise InvalidDeclaration(
            f"architecture: no '{architecture}'{did_you_mean(architecture, names)} "
            f"(the zoo's own: {', '.join(_OWN)}; else torchvision's names)"
        )
    for name, value in parameters.items():
        if isinstance(value, float | int) and value < 0:
            raise InvalidDeclaration(f"parameters: {name} {value} is below 0")
    own = _OWN.get(architecture)
    if own:
        known = [name for name in inspect.signature(own).parameters if name != "classes"]
        for name in parameters.keys() - set(known):
            raise InvalidDeclaration(
                f"parameters: architecture '{architecture}' takes no '{name}'{did_you_mean(name, known)} "
                f"(it takes {', '.join(known)})"
            )
    try:
        if own:
            return own(classes=classes, **parameters)
        return torchvision.models.get_model(architecture, num_classes=classes, **parameters)  # type: ignore[no-any-return]
    except (TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise InvalidDeclaration(f"parameters: architecture '{architecture}': {error}") from error


def _mobilenet_v2(classes: int, width_mult: float = 1.0, dropout: float = 0.2, stem_stride: int = 2) -> nn.Module:
    module = torchvision.models.mobilenet_v2(num_classes=classes, width_mult=width_mult, dropout=dropout)
    module.features[0][0].stride = (stem_stride, stem_stride)
    narrow: nn.Module = module
    return narrow


_OWN: dict[str, Callable[..., nn.Module]] = {
    "alexnet_3c4f": AlexNet3C4F,
    "efficientnet_b0": efficientnet_b0,
    "efficientnet_lite": EfficientNetLite,
    "mobilenet_v2": _mobilenet_v2,
    "nasnet_a_mobile": NASNetA,
}
