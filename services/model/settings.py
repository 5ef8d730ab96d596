"""Settings of the model service: the environment variables that begin with MODEL_, and PORT."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.edge.address import split_address
from services.edge.environment import read_settings, setting
from services.edge.errors import InvalidDeclaration
from services.edge.message_size import LARGEST_MESSAGE_BYTES

PREFIX = "MODEL_"


@dataclass(frozen=True)
class Settings:
    """`compiled` is the folder of a compiled model; without it `name` is looked up in the catalog and compiled.

    `spare` has the folders of several compiled models, with commas between: the process has none of them until one is
    asked for, by gRPC, and lets go of that one when it was not asked for `rest_s`.

    An empty address turns its protocol off; port 0 takes any free one. `threads` 0 is the share of the CPU this
    process has. `max_queue` counts requests that run or wait.
    """

    name: str = setting("")
    compiled: str = setting("")
    spare: str = setting("")
    rest_s: float = setting(30.0, least=0)
    server: str = setting("strata", one_of=("strata", "kserve"))
    grpc_address: str = setting("127.0.0.1:0")
    http_address: str = setting("127.0.0.1:0")
    protocol: str = setting("", one_of=("", "grpc", "rest"))
    threads: int = setting(0, least=0)
    max_batch: int = setting(64, least=1)
    max_queue: int = setting(64, least=1)
    max_message_bytes: int = setting(64 * 2**20, least=1, most=LARGEST_MESSAGE_BYTES)
    drain_s: float = setting(30.0, least=0)


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Where the platform gives one PORT, the protocol named by MODEL_PROTOCOL (gRPC if none is) listens there on every
    interface, and the other is off.

    Raises:
        InvalidDeclaration: has a line for each fault.
    """
    settings = read_settings(Settings, PREFIX, environment)
    if not settings.name and not settings.compiled and not settings.spare:
        raise InvalidDeclaration(f"{PREFIX}NAME: is missing; name a model of the catalog, or set {PREFIX}COMPILED")
    if "PORT" in environment:
        address = f"0.0.0.0:{environment['PORT']}"
        settings = replace(settings, protocol=settings.protocol or "grpc", grpc_address=address, http_address=address)
    if settings.protocol == "grpc":
        settings = replace(settings, http_address="")
    if settings.protocol == "rest":
        settings = replace(settings, grpc_address="")
    if not settings.grpc_address and not settings.http_address:
        raise InvalidDeclaration(f"{PREFIX}GRPC_ADDRESS and {PREFIX}HTTP_ADDRESS are both empty; give one")
    if settings.spare and (not settings.grpc_address or settings.server == "kserve"):
        raise InvalidDeclaration(f"{PREFIX}SPARE: a spare process answers by gRPC, from Strata's own server alone")
    _check_addresses(settings)
    if settings.server == "kserve":
        _check_kserve(settings)
    return settings


def _check_addresses(settings: Settings) -> None:
    faults = []
    for name in ("grpc_address", "http_address"):
        try:
            split_address(getattr(settings, name) or "any:0")
        except ValueError as error:
            faults.append(f"{PREFIX}{name.upper()}: {error}")
    if faults:
        raise InvalidDeclaration("\n".join(faults))


def _check_kserve(settings: Settings) -> None:
    """KServe's server always serves HTTP, listens on every interface, and does not say which port it got."""
    if not settings.http_address:
        raise InvalidDeclaration(f"{PREFIX}HTTP_ADDRESS: is empty; KServe's server always serves HTTP")
    for name in ("grpc_address", "http_address"):
        address = getattr(settings, name)
        host, port = split_address(address or "0.0.0.0:1")
        if host not in ("0.0.0.0", "::") or port == 0:
            raise InvalidDeclaration(
                f"{PREFIX}{name.upper()}: '{address}'; KServe's server listens on every interface, on a port that is "
                "given: 0.0.0.0:PORT"
            )
