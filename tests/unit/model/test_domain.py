"""Which requests a model refuses, and what it says."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.edge import errors
from services.model.domain import InferRequest, batch_of, describe
from services.model.tensors import Tensor
from services.zoo.manifest import Manifest

MAX_BATCH = 4
IMAGES = np.zeros((2, 3, 2, 4), np.float32)
GOOD = InferRequest("tiny", "", "", (Tensor.of("image", IMAGES),), ("scores",))


def with_images(values: Any, name: str = "image") -> InferRequest:
    return replace(GOOD, inputs=(Tensor.of(name, values),))


def with_pictures(count: int, shape: tuple[int, ...] | None = None) -> InferRequest:
    return replace(GOOD, inputs=(Tensor("picture", "BYTES", (count,) if shape is None else shape, [b"x"] * count),))


def spoiled(value: float) -> np.ndarray:
    images = IMAGES.copy()
    images[1, 2, 0, 3] = value
    return images


def test_images_pass_through_uncopied(manifest: Manifest) -> None:
    assert batch_of(GOOD, manifest, MAX_BATCH) is GOOD.inputs[0].values


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_pictures_pass_through_unread(manifest: Manifest, shape: tuple[int, ...]) -> None:
    assert batch_of(with_pictures(3, shape), manifest, MAX_BATCH) == [b"x"] * 3


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (replace(GOOD, model="large"), errors.ModelNotFound, "'large' is not served here; 'tiny' is"),
        (replace(GOOD, version="v2"), errors.ModelNotFound, "in version 'v1', not 'v2'"),
        (replace(GOOD, outputs=("labels",)), errors.UnknownTensor, "output 'labels': model 'tiny' has only 'scores'"),
        (replace(GOOD, inputs=()), errors.UnknownTensor, "0 inputs: .* takes exactly one, 'image' or 'picture'"),
        (replace(GOOD, inputs=GOOD.inputs * 2), errors.UnknownTensor, "2 inputs"),
        (with_images(IMAGES, "x"), errors.UnknownTensor, "input 'x': model 'tiny' takes 'image' or 'picture'"),
        (with_images(IMAGES.astype(np.float64)), errors.DtypeMismatch, "datatype FP64; the model takes FP32"),
        (with_images(IMAGES[0]), errors.ShapeMismatch, "shape \\[3, 2, 4\\]; the model takes \\[N, 3, 2, 4\\]"),
        (with_images(IMAGES.transpose(0, 1, 3, 2)), errors.ShapeMismatch, "shape \\[2, 3, 4, 2\\]"),
        (with_images(IMAGES[:0]), errors.EmptyBatch, "empty"),
        (with_images(np.zeros((5, 3, 2, 4), np.float32)), errors.BatchTooLarge, "5 items in one request; at most 4"),
        (with_images(spoiled(np.nan)), errors.NonFiniteInput, "item 1 holds nan at \\[2, 0, 3\\]"),
        (with_images(spoiled(-np.inf)), errors.NonFiniteInput, "item 1 holds -inf at \\[2, 0, 3\\]"),
        (with_images(IMAGES, "picture"), errors.DtypeMismatch, "datatype FP32; encoded pictures are BYTES"),
        (with_pictures(4, (2, 2)), errors.ShapeMismatch, "shape \\[2, 2\\]; it is \\[N\\]"),
        (with_pictures(1, ()), errors.ShapeMismatch, "shape \\[\\]"),
        (with_pictures(0), errors.EmptyBatch, "empty"),
        (with_pictures(5), errors.BatchTooLarge, "5 items"),
    ],
)
def test_a_bad_request_is_refused_by_what_is_wrong(
    manifest: Manifest, request_: InferRequest, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        batch_of(request_, manifest, MAX_BATCH)
    assert type(caught.value) is error


def test_a_batch_may_be_as_long_as_the_limit(manifest: Manifest) -> None:
    assert len(batch_of(with_pictures(MAX_BATCH), manifest, MAX_BATCH)) == MAX_BATCH


def test_the_version_served_may_be_named(manifest: Manifest) -> None:
    batch_of(replace(GOOD, version="v1"), manifest, MAX_BATCH)


def test_the_description_leaves_the_batch_axis_open(manifest: Manifest) -> None:
    described = describe(manifest)
    assert [(each.name, each.datatype, each.shape) for each in described.inputs] == [
        ("image", "FP32", (-1, 3, 2, 4)),
        ("picture", "BYTES", (-1,)),
    ]
    assert [(each.name, each.shape) for each in described.outputs] == [("scores", (-1, 5))]
