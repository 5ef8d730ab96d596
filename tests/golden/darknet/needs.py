"""What these tests need beside the project."""

import pytest

from services.bench import libdarknet

needs_darknet = pytest.mark.skipif(
    not libdarknet.available(), reason="Debian's darknet package is not installed (apt install darknet)"
)
