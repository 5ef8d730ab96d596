"""The model service's settings."""

import pytest

from services.edge.errors import InvalidDeclaration
from services.model.settings import settings_from

KSERVE = {
    "MODEL_NAME": "a",
    "MODEL_SERVER": "kserve",
    "MODEL_GRPC_ADDRESS": "0.0.0.0:8081",
    "MODEL_HTTP_ADDRESS": "0.0.0.0:8080",
}


def test_both_protocols_listen_on_loopback_unless_set_otherwise() -> None:
    settings = settings_from({"MODEL_NAME": "alexnet"})
    assert (settings.grpc_address, settings.http_address) == ("127.0.0.1:0", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("protocol", "addresses"),
    [("", ("0.0.0.0:8012", "")), ("grpc", ("0.0.0.0:8012", "")), ("rest", ("", "0.0.0.0:8012"))],
)
def test_the_platforms_one_port_goes_to_the_protocol_named(protocol: str, addresses: tuple[str, str]) -> None:
    settings = settings_from({"MODEL_COMPILED": "/m", "MODEL_PROTOCOL": protocol, "PORT": "8012"})
    assert (settings.grpc_address, settings.http_address) == addresses


def test_kserves_server_takes_the_addresses_it_can_have() -> None:
    assert settings_from(KSERVE).http_address == "0.0.0.0:8080"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MODEL_NAME: is missing"),
        ({"MODEL_NAME": "a", "MODEL_MAX_BATCH": "0"}, "MODEL_MAX_BATCH: 0 is below 1"),
        ({"MODEL_NAME": "a", "MODEL_PROTOCOL": "soap"}, "not one of"),
        ({"MODEL_NAME": "a", "MODEL_GRPC_ADDRESS": "", "MODEL_HTTP_ADDRESS": ""}, "both empty"),
        ({"MODEL_NAME": "a", "MODEL_HTTP_ADDRESS": "localhost"}, "MODEL_HTTP_ADDRESS: 'localhost' is not host:port"),
        (KSERVE | {"MODEL_HTTP_ADDRESS": ""}, "MODEL_HTTP_ADDRESS: is empty; KServe's server always serves HTTP"),
        (KSERVE | {"MODEL_HTTP_ADDRESS": "127.0.0.1:80"}, "HTTP_ADDRESS: '127.0.0.1:80'; KServe's .* every interface"),
        (KSERVE | {"MODEL_GRPC_ADDRESS": "0.0.0.0:0"}, "GRPC_ADDRESS: '0.0.0.0:0'; .* on a port that is given"),
        ({"MODEL_NAME": "a", "MODEL_MAXBATCH": "1"}, "did you mean 'MODEL_MAX_BATCH'"),
    ],
)
def test_a_fault_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        settings_from(environment)
