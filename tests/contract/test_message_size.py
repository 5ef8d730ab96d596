"""The largest message that settings allow is one that servers accept as a setting."""

import pytest

from services.edge.errors import InvalidDeclaration
from services.edge.grpc_server import start_grpc
from services.edge.message_size import LARGEST_MESSAGE_BYTES
from services.ensemble import settings as ensemble_settings
from services.model import settings as model_settings


async def test_a_server_starts_with_the_largest_message_that_settings_allow() -> None:
    server = await start_grpc("127.0.0.1:0", [], LARGEST_MESSAGE_BYTES, 8)
    await server.drain(0)


@pytest.mark.parametrize("size_bytes", [LARGEST_MESSAGE_BYTES + 1, 2**31, 2**63])
def test_settings_name_a_size_that_is_over_it(size_bytes: int) -> None:
    with pytest.raises(InvalidDeclaration, match="MODEL_MAX_MESSAGE_BYTES"):
        model_settings.settings_from({"MODEL_NAME": "m", "MODEL_MAX_MESSAGE_BYTES": str(size_bytes)})
    with pytest.raises(InvalidDeclaration, match="ENSEMBLE_MAX_MESSAGE_BYTES"):
        ensemble_settings.settings_from({"ENSEMBLE_FILES": "/e.yaml", "ENSEMBLE_MAX_MESSAGE_BYTES": str(size_bytes)})
