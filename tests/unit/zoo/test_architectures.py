import pytest
import torch
import torchvision
from torch import nn

from services.edge.errors import InvalidDeclaration
from services.zoo.architectures import build


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


@pytest.mark.parametrize("name", ["efficientnet_b0", "mobilenet_v2"])
def test_own_builders_at_their_defaults_are_torchvisions_networks(name: str) -> None:
    theirs = torchvision.models.get_model(name, num_classes=7)
    ours = build(name, 7)
    assert shapes(ours) == shapes(theirs)
    ours.load_state_dict(theirs.state_dict())
    picture = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(ours.eval()(picture), theirs.eval()(picture))


@pytest.mark.parametrize("name", ["alexnet", "resnet50"])
def test_torchvisions_classifiers_are_built_by_name(name: str) -> None:
    assert shapes(build(name, 1000)) == shapes(torchvision.models.get_model(name))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("efficientnet_b0", {"width_mult": 0.25, "depth_mult": 0.5, "stem_stride": 1}),
        ("mobilenet_v2", {"width_mult": 0.25, "stem_stride": 1}),
        ("nasnet_a_mobile", {"penultimate_filters": 96, "cells": 1, "stem_filters": 8}),
        ("nasnet_a_mobile", {"penultimate_filters": 96, "cells": 1, "stem_reductions": 0, "stem_stride": 1}),
        ("nasnet_a_mobile", {"penultimate_filters": 192, "cells": 2, "stem_reductions": 1}),
    ],
)
def test_narrow_networks_take_small_pictures(name: str, parameters: dict[str, float]) -> None:
    with torch.inference_mode():
        scores = build(name, 10, **parameters).eval()(torch.randn(2, 3, 32, 32))
    assert scores.shape == (2, 10)
    assert bool(scores.isfinite().all())


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("mobilenetv2", {}, "no 'mobilenetv2'; did you mean 'mobilenet_v2'"),
        ("fasterrcnn_resnet50_fpn", {}, "no 'fasterrcnn_resnet50_fpn'"),
        ("mobilenet_v2", {"width_mul": 0.5}, "takes no 'width_mul'; did you mean 'width_mult'"),
        ("resnet50", {"width_mult": 0.5}, "unexpected keyword argument 'width_mult'"),
        ("mobilenet_v2", {"width_mult": "wide"}, "architecture 'mobilenet_v2'"),
        ("efficientnet_b0", {"width_mult": -1.0}, "width_mult -1.0 is below 0"),
        ("nasnet_a_mobile", {"penultimate_filters": 100}, "100 is not a multiple of 96"),
        ("nasnet_a_mobile", {"stem_reductions": 3}, "3 is not in 0 to 2"),
    ],
)
def test_what_makes_no_network_is_named(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        build(name, 10, **parameters)
    assert message in str(caught.value)
