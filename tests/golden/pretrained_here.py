"""What tests on trained weights need."""

import pytest

from services.zoo.pretrained import PRETRAINED, how_to_get, is_here


def needs_pretrained(name: str) -> pytest.MarkDecorator:
    """Skip where the weights were not fetched."""
    return pytest.mark.skipif(not is_here(f"{PRETRAINED}{name}"), reason=how_to_get(name))
