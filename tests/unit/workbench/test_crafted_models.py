"""A `.strata` file that somebody made by hand, its checksum right: refused by name before anything of it runs."""

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor

from services.edge.errors import DamagedFile, InvalidWeights, StrataError
from services.workbench.engine_model import EngineModel
from services.workbench.model_codec import KIND, decode_model, encode_model
from services.zoo.tensor_codec import decode_tensor_file, encode_tensor_file

Content: TypeAlias = dict[str, Any]
Tensors: TypeAlias = dict[str, Tensor]
CUT = {"size": [32, 32], "resize": 36, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"}


def crafted(model: EngineModel, craft: Callable[[Content, Tensors], object]) -> bytes:
    """The model's file with something in it changed."""
    file = decode_tensor_file(encode_model(model), KIND, "it")
    content, tensors = file.content, dict(file.tensors)
    craft(content, tensors)
    return encode_tensor_file(KIND, content, tensors)


def layer(content: Content, name: str) -> Content:
    found: Content = next(each for each in content["graph"]["layers"] if each["name"] == name)
    return found


def set_part(name: str, part: str, value: Any) -> Callable[[Content, Tensors], object]:
    return lambda content, _: layer(content, name)["parameters"].update({part: value})


def set_tensor(name: str, value: Tensor) -> Callable[[Content, Tensors], object]:
    return lambda _, tensors: tensors.update({name: value})


def deep(depth: int) -> Any:
    """Lists in lists."""
    return json.loads("[" * depth + "]" * depth)


@pytest.mark.parametrize(
    ("craft", "said"),
    [
        (set_part("stem", "stride", [0, 0]), "'stem': stride is .0, 0., and must be 1"),
        (set_part("stem", "stride", [-1, -1]), "'stem': stride"),
        (set_part("stem", "groups", 0), "'stem': groups is 0"),
        (set_part("stem", "dilation", [1 << 40, 1]), "'stem' cannot run on what it reads: Conv2d of .3, 32, 32."),
        (set_part("stem", "padding", [1 << 20, 1 << 20]), "'stem' gives .*elements at a time"),
        (
            lambda content, _: layer(content, "stem")["parameters"].update(padding=[1 << 20] * 2, stride=[1 << 20] * 2),
            "'stem' gives .*elements at a time",
        ),
        (set_part("pool", "padding", [0, 2, 0, 0]), "'pool' cannot run on what it reads"),
        (set_part("pool", "padding", [0, 0, -1, 0]), "'pool' cannot run on what it reads"),
        (set_part("pool", "kernel", [0, 2]), "'pool': kernel"),
        (set_part("pool", "kernel", [2, 2, 2]), "'pool': kernel of MaxPool cannot be"),
        (set_part("pool", "stride", ["2", 2]), "'pool': stride of MaxPool cannot be"),
        (set_part("up", "factor", 1 << 20), "'up' gives .*elements at a time"),
        (set_part("up", "factor", 1 << 62), "'up' gives .*elements at a time"),
        (set_part("head", "classes", 3), "'head' cannot run"),
        (set_part("head", "anchors", [[10.0, 14.0]]), "'head' cannot run on what it reads: Yolo of .14, 32, 32."),
        (set_part("head", "anchors", "ab"), "'head': anchors of Yolo cannot be"),
        (set_part("head", "anchors", deep(600)), "no graph this build can run"),
        (set_part("stem", "activation", "explode"), "'explode'"),
        (set_tensor("stem:weight", torch.zeros(16, 3, 3, 3, dtype=torch.int8)), "'stem:weight' is torch.int8"),
        (set_tensor("stem:weight", torch.zeros(16, 3, 3, 0)), "no graph this build can run"),
        (set_tensor("stem:weight", torch.zeros(16, 5, 3, 3)), "'stem' cannot run"),
        (set_tensor("norm:scale", torch.ones(7)), "'norm' cannot run"),
        (lambda content, _: content["graph"].update(input_shape=[3, 1 << 20, 1 << 20]), "elements at a time"),
        (lambda content, _: content["graph"].update(input_shape=[3, 32]), "no graph this build can run"),
        (lambda content, _: content["graph"].update(input_shape=[3, -32, 32]), "the graph's input is"),
        (lambda content, _: content["graph"].update(layers=7), "no graph this build can run"),
        (lambda content, _: content["graph"].update(outputs=["none"]), "not all layers"),
        (lambda content, _: layer(content, "stem").update(name=5), "'5' is no text"),
        (lambda content, _: layer(content, "stem").update(name="\ud800"), "no graph this build can run"),
        (lambda content, _: layer(content, "sum").update(inputs=["sum", "body"]), "no earlier layer makes"),
        (lambda content, _: content.update(graph="<script>"), "no graph this build can run"),
    ],
)
def test_a_graph_that_cannot_run_is_refused_by_its_layer(
    model: EngineModel, craft: Callable[[Content, Tensors], object], said: str
) -> None:
    with pytest.raises(InvalidWeights, match=said):
        decode_model(crafted(model, craft))


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("name", ["small"], "is no text"),
        ("name", "x" * 5000, "is no text"),
        ("weights", "\udfff", "a broken header"),
        ("labels", [1, 2], "'1' is no text"),
        ("labels", 3, "a broken header"),
        ("input_spec", CUT | {"size": [64, 64]}, "do not suit a graph that takes"),
        ("input_spec", CUT | {"std": [0, 1, 1]}, "do not suit"),
        ("input_spec", CUT | {"resize": "wide"}, "input_spec cannot be"),
        ("input_spec", CUT | {"mean": [0]}, "input_spec cannot be"),
        ("input_spec", CUT | {"kind": "smell"}, "no picture can be made ready"),
        ("input_spec", CUT | {"interpolation": "guess"}, "no picture can be made ready"),
        ("input_spec", [1], "a broken header"),
    ],
)
def test_what_else_is_wrong_in_its_header_is_said(model: EngineModel, part: str, value: Any, said: str) -> None:
    with pytest.raises(DamagedFile, match=said):
        decode_model(crafted(model, lambda content, _: content.update({part: value})))


def test_a_header_that_is_no_object_is_refused(model: EngineModel) -> None:
    with pytest.raises(StrataError, match="no object"):
        decode_model(encode_tensor_file(KIND, [1, 2], {}))


def test_how_pictures_are_made_ready_is_kept(model: EngineModel) -> None:
    spec = decode_model(crafted(model, lambda content, _: content.update(input_spec=CUT))).input_spec
    assert spec is not None
    assert (spec.size, spec.resize, spec.std) == ((32, 32), 36, (1, 1, 1))


def test_numbers_stay_as_they_were_written(model: EngineModel) -> None:
    """The digest, by which integer files know their model, tells 1 from 1.0."""
    again = decode_model(crafted(model, set_part("head", "anchors", [[10, 14], [23, 27]])))
    assert "anchors=((10, 14), (23, 27))" in repr(again.graph.layer("head").operation)
