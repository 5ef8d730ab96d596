"""A small model, made up, for tests that need no engine."""

import pytest

from services.zoo.manifest import InputSpec, Manifest


@pytest.fixture
def manifest() -> Manifest:
    """Takes [N, 3, 2, 4], gives [N, 5]."""
    return Manifest(
        name="tiny",
        version="v1",
        runtime="sleep",
        input_name="image",
        input_shape=(-1, 3, 2, 4),
        output_name="scores",
        output_shape=(-1, 5),
        labels=(),
        input_spec=InputSpec((2, 4), 4, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear"),
        parameters={},
    )
